//! Signing up, and confirming an e-mail address by the mailed link.
use crate::{
    crypto::password,
    error::{Error, Result},
    http::{
        form::{Form, Query},
        gate::{Anyone, PathToken},
        routes::Routes,
        sign_in::{self, VerifiedUser},
    },
    model::text::{EmailAddress, Name},
    store::{
        email_tokens,
        sign_ups::{self, SignUp},
        users,
    },
    view::{form_errors::FormErrors, page::Page},
};
use askama::Template;
use axum::{http::HeaderMap, response::Response};
use serde::Deserialize;

pub fn routes() -> Routes {
    Routes::default()
        .get("/sign-up", show)
        .post("/sign-up", sign_up)
        .get("/verify-email/{token}", show_link)
        .post("/verify-email/{token}", confirm)
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct SignUpForm {
    name: String,
    email: String,
    password: String,
    setup: String,
    next: String,
}

#[derive(Template)]
#[template(path = "sign_up/index.html")]
struct SignUpPage {
    form: SignUpForm,
    errors: FormErrors,
}

#[derive(Template)]
#[template(path = "sign_up/sent.html")]
struct SentPage {
    email: String,
}

#[derive(Template)]
#[template(path = "sign_up/closed.html")]
struct ClosedPage;

#[derive(Template)]
#[template(path = "sign_up/confirm.html")]
struct ConfirmPage {
    token: String,
    email: String,
    asks_password: bool,
    errors: FormErrors,
}

#[derive(Template)]
#[template(path = "sign_up/confirm_change.html")]
struct ConfirmChangePage {
    token: String,
    email: String,
    old: String,
}

#[derive(Template)]
#[template(path = "sign_up/expired.html")]
struct LinkExpiredPage;

async fn show(anyone: Anyone, page: Page, Query(form): Query<SignUpForm>) -> Result<Response> {
    if anyone.signed_in_user().is_some() {
        return Ok(page.to(sign_in::safe_next(&form.next).unwrap_or("/")));
    }
    if is_closed(&anyone).await? {
        return page.with(403).plain("Sign-up is by invitation", ClosedPage);
    }
    let form = SignUpForm { password: String::new(), ..form };
    page.plain("Create a user", SignUpPage { form, errors: FormErrors::default() })
}

/// The first operator can sign up even where people join by invitation.
async fn is_closed(anyone: &Anyone) -> Result<bool> {
    Ok(!anyone.context().config.open_sign_up && users::has_operator(&mut anyone.read()).await?)
}

async fn sign_up(anyone: Anyone, page: Page, Form(form): Form<SignUpForm>) -> Result<Response> {
    if is_closed(&anyone).await? {
        return page.with(403).plain("Sign-up is by invitation", ClosedPage);
    }
    match start(&anyone, &form).await {
        Ok(email) => page.plain("Check your mail", SentPage { email }),
        Err(error) => {
            let (status, errors) = FormErrors::catch(error)?;
            let form = SignUpForm { password: String::new(), ..form };
            page.with(status).plain("Create a user", SignUpPage { form, errors })
        }
    }
}

async fn start(anyone: &Anyone, form: &SignUpForm) -> Result<String> {
    let mut errors = vec![];
    let name = Name::parse(&form.name).map_err(|error| errors.push(("name", error))).ok();
    let email = EmailAddress::parse(&form.email).map_err(|error| errors.push(("email", error))).ok();
    let chosen = password::validate_and_hash(&form.password, &[&form.name, &form.email]).await?;
    let hashed = chosen.map_err(|error| errors.push(("password", error))).ok();
    let (Some(name), Some(email), Some(hashed)) = (name, email, hashed) else {
        let field_error = |(field, error): (&str, crate::model::text::ValidationError)| {
            crate::error::FieldError::new(field, error.code, error.detail)
        };
        return Err(Error::Validation(errors.into_iter().map(field_error).collect()));
    };
    // Strangers can have mails sent to an address, so their number is limited.
    let keys =
        [(format!("sign-up {}", email.key()), 5), (format!("sign-up from {}", anyone.client().ip()), 1000)];
    let _ = anyone.app().throttle().attempt(&keys)?;
    let next = sign_in::safe_next(&form.next).unwrap_or_default();
    let sign_up = SignUp { name: &name, email: &email, password: &hashed, setup: &form.setup, next };
    let id = anyone.change(async |change| sign_ups::begin(change, &sign_up).await).await?;
    sign_in::remember_sign_up(anyone, id).await?;
    Ok(email.as_str().to_owned())
}

async fn show_link(anyone: Anyone, page: Page, PathToken(token): PathToken) -> Result<Response> {
    let mut scope = anyone.read();
    if let Some(pending) = sign_ups::find(&mut scope, &token).await? {
        let asks_password = sign_in::pending_sign_up(&anyone).await? != Some(pending.id);
        let confirm =
            ConfirmPage { token, email: pending.email, asks_password, errors: FormErrors::default() };
        return page.plain("Confirm your address", confirm);
    }
    match email_tokens::find_email_change(&mut scope, &token).await? {
        Some(change) => page.plain(
            "Confirm your new address",
            ConfirmChangePage { token, email: change.email, old: change.old },
        ),
        None => page.with(410).plain("This link is over", LinkExpiredPage),
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NewPasswordForm {
    password: String,
}

async fn confirm(
    anyone: Anyone,
    page: Page,
    PathToken(token): PathToken,
    headers: HeaderMap,
    Form(form): Form<NewPasswordForm>,
) -> Result<Response> {
    let Some(pending) = sign_ups::find(&mut anyone.read(), &token).await? else {
        return confirm_change(&anyone, &page, &token).await;
    };
    // Whoever opens the link in another browser can read the mail, but may not be the person who chose the password.
    let asks_password = sign_in::pending_sign_up(&anyone).await? != Some(pending.id);
    let chosen = match asks_password {
        true => Some(password::validate_and_hash(&form.password, &[&pending.name, &pending.email]).await?),
        false => None,
    };
    let hashed = match chosen.transpose() {
        Ok(hashed) => hashed,
        Err(error) => {
            let (status, errors) = FormErrors::catch(Error::at("password")(error))?;
            let confirm = ConfirmPage { token, email: pending.email, asks_password, errors };
            return page.with(status).plain("Confirm your address", confirm);
        }
    };
    let confirmed =
        anyone.change(async |change| sign_ups::confirm(change, &token, hashed.as_deref()).await).await;
    let (user, next) = match confirmed {
        Ok(confirmed) => confirmed,
        Err(Error::Conflict { .. }) => return page.with(410).plain("This link is over", LinkExpiredPage),
        Err(other) => return Err(other),
    };
    let next = next.unwrap_or_default();
    let arrival = VerifiedUser { user: user.id, method: "password", two_factors: false, next: &next };
    let response = sign_in::sign_in(&anyone, &page, &headers, &arrival).await?;
    Ok(page.saying(response, format!("Welcome, {}.", user.name)))
}

async fn confirm_change(anyone: &Anyone, page: &Page, token: &str) -> Result<Response> {
    match anyone.change(async |change| email_tokens::confirm_email_change(change, token).await).await {
        Ok(change) => {
            let to = if anyone.signed_in_user().is_some() { "/me" } else { "/sign-in" };
            Ok(page.done(to, format!("You sign in with {} from now on.", change.email)))
        }
        Err(Error::Conflict { .. }) => page.clone().with(410).plain("This link is over", LinkExpiredPage),
        Err(other) => Err(other),
    }
}
