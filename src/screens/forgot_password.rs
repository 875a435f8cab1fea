//! A forgotten password: a mailed link, and a new one.
use crate::{
    crypto::password,
    error::{Error, Result},
    http::{
        form::Form,
        gate::{Anyone, Token},
        routes::Routes,
        sign_in::{self, Arrival},
    },
    model::text::Email,
    store::email_tokens,
    view::page::{Faults, Page},
};
use askama::Template;
use axum::{http::HeaderMap, response::Response};
use serde::Deserialize;

/// The routes of this screen.
pub fn routes() -> Routes {
    Routes::default()
        .get("/forgot-password", show)
        .post("/forgot-password", ask)
        .get("/reset-password/{token}", show_link)
        .post("/reset-password/{token}", reset)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Typed {
    email: String,
    password: String,
}

#[derive(Template)]
#[template(path = "forgot_password/index.html")]
struct Index {
    email: String,
    faults: Faults,
}

#[derive(Template)]
#[template(path = "forgot_password/sent.html")]
struct Sent {
    email: String,
}

#[derive(Template)]
#[template(path = "forgot_password/reset.html")]
struct Reset {
    token: String,
    email: String,
    faults: Faults,
}

#[derive(Template)]
#[template(path = "forgot_password/over.html")]
struct Over;

async fn show(_: Anyone, page: Page) -> Result<Response> {
    page.plain("Forgot your password?", Index { email: String::new(), faults: Faults::default() })
}

async fn ask(anyone: Anyone, page: Page, Form(it): Form<Typed>) -> Result<Response> {
    let email = match Email::parse(&it.email) {
        Ok(email) => email,
        Err(refusal) => {
            let (status, faults) = Faults::catch(Error::at("email")(refusal))?;
            return page.with(status).plain("Forgot your password?", Index { email: it.email, faults });
        }
    };
    let keys =
        [(format!("reset {}", email.key()), 5), (format!("reset from {}", anyone.client().ip()), 1000)];
    let _ = anyone.app().throttle().attempt(&keys)?;
    anyone.change(async |change| email_tokens::forgot_password(change, &email).await).await?;
    page.plain("Check your mail", Sent { email: email.as_str().to_owned() })
}

async fn show_link(anyone: Anyone, page: Page, Token(token): Token) -> Result<Response> {
    match email_tokens::find_password(&mut anyone.read(), &token).await? {
        Some(it) => {
            page.plain("Choose a new password", Reset { token, email: it.email, faults: Faults::default() })
        }
        None => page.with(410).plain("This link is over", Over),
    }
}

async fn reset(
    anyone: Anyone,
    page: Page,
    Token(token): Token,
    headers: HeaderMap,
    Form(it): Form<Typed>,
) -> Result<Response> {
    let Some(user) = email_tokens::find_password(&mut anyone.read(), &token).await? else {
        return page.with(410).plain("This link is over", Over);
    };
    let hashed = match password::choose(&it.password, &[&user.name, &user.email]).await? {
        Ok(hashed) => hashed,
        Err(refusal) => {
            let (status, faults) = Faults::catch(Error::at("password")(refusal))?;
            return page
                .with(status)
                .plain("Choose a new password", Reset { token, email: user.email, faults });
        }
    };
    match anyone.change(async |change| email_tokens::reset_password(change, &token, &hashed).await).await {
        Ok(person) => {
            let arrival = Arrival { user: person.id, method: "password", two_factors: false, next: "" };
            let arrived = sign_in::arrive_by_one(&anyone, &page, &headers, &arrival).await?;
            Ok(page.saying(arrived, "Your password was changed. Other sessions were ended."))
        }
        Err(Error::Conflict { .. }) => page.with(410).plain("This link is over", Over),
        Err(other) => Err(other),
    }
}
