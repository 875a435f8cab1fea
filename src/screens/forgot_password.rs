//! A forgotten password: a mailed link, and a new one.
use crate::{
    crypto::password,
    error::{Error, Result},
    http::{
        form::Form,
        gate::{Anyone, PathToken},
        routes::Routes,
        sign_in::{self, VerifiedUser},
    },
    model::text::EmailAddress,
    store::email_tokens,
    view::{form_errors::FormErrors, page::Page},
};
use askama::Template;
use axum::{http::HeaderMap, response::Response};
use serde::Deserialize;

pub fn routes() -> Routes {
    Routes::default()
        .get("/forgot-password", show)
        .post("/forgot-password", send_link)
        .get("/reset-password/{token}", show_link)
        .post("/reset-password/{token}", reset)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PasswordResetForm {
    email: String,
    password: String,
}

#[derive(Template)]
#[template(path = "forgot_password/index.html")]
struct ForgotPasswordPage {
    email: String,
    errors: FormErrors,
}

#[derive(Template)]
#[template(path = "forgot_password/sent.html")]
struct ResetMailSentPage {
    email: String,
}

#[derive(Template)]
#[template(path = "forgot_password/reset.html")]
struct ResetPasswordPage {
    token: String,
    email: String,
    errors: FormErrors,
}

#[derive(Template)]
#[template(path = "forgot_password/expired.html")]
struct LinkExpiredPage;

async fn show(_: Anyone, page: Page) -> Result<Response> {
    page.plain(
        "Forgot your password?",
        ForgotPasswordPage { email: String::new(), errors: FormErrors::default() },
    )
}

async fn send_link(anyone: Anyone, page: Page, Form(form): Form<PasswordResetForm>) -> Result<Response> {
    let email = match EmailAddress::parse(&form.email) {
        Ok(email) => email,
        Err(error) => {
            let (status, errors) = FormErrors::catch(Error::at("email")(error))?;
            return page
                .with(status)
                .plain("Forgot your password?", ForgotPasswordPage { email: form.email, errors });
        }
    };
    let keys =
        [(format!("reset {}", email.key()), 5), (format!("reset from {}", anyone.client().ip()), 1000)];
    let _ = anyone.app().throttle().attempt(&keys)?;
    anyone.change(async |change| email_tokens::forgot_password(change, &email).await).await?;
    page.plain("Check your mail", ResetMailSentPage { email: email.as_str().to_owned() })
}

async fn show_link(anyone: Anyone, page: Page, PathToken(token): PathToken) -> Result<Response> {
    match email_tokens::find_password(&mut anyone.read(), &token).await? {
        Some(user) => page.plain(
            "Choose a new password",
            ResetPasswordPage { token, email: user.email, errors: FormErrors::default() },
        ),
        None => page.with(410).plain("This link no longer works", LinkExpiredPage),
    }
}

async fn reset(
    anyone: Anyone,
    page: Page,
    PathToken(token): PathToken,
    headers: HeaderMap,
    Form(form): Form<PasswordResetForm>,
) -> Result<Response> {
    let Some(user) = email_tokens::find_password(&mut anyone.read(), &token).await? else {
        return page.with(410).plain("This link no longer works", LinkExpiredPage);
    };
    let hashed = match password::validate_and_hash(&form.password, &[&user.name, &user.email]).await? {
        Ok(hashed) => hashed,
        Err(error) => {
            let (status, errors) = FormErrors::catch(Error::at("password")(error))?;
            return page
                .with(status)
                .plain("Choose a new password", ResetPasswordPage { token, email: user.email, errors });
        }
    };
    match anyone.change(async |change| email_tokens::reset_password(change, &token, &hashed).await).await {
        Ok(user) => {
            let arrival = VerifiedUser { user: user.id, method: "password", two_factors: false, next: "" };
            let response = sign_in::sign_in_first_factor(&anyone, &page, &headers, &arrival).await?;
            Ok(page.saying(response, "Your password was changed. Other sessions were ended."))
        }
        Err(Error::Conflict { .. }) => page.with(410).plain("This link no longer works", LinkExpiredPage),
        Err(other) => Err(other),
    }
}
