//! Signing up, and proving an address by the mailed link.
use crate::{
    crypto::password,
    error::{Error, Result},
    http::{
        form::{Form, Query},
        gate::{Anyone, Token},
        routes::Routes,
        sign_in::{self, Arrival},
    },
    model::text::{Email, Name},
    store::{
        email_tokens,
        sign_ups::{self, SignUp},
        users,
    },
    view::page::{Faults, Page},
};
use askama::Template;
use axum::{http::HeaderMap, response::Response};
use serde::Deserialize;

/// The routes of this screen.
pub fn routes() -> Routes {
    Routes::default()
        .get("/sign-up", show)
        .post("/sign-up", sign_up)
        .get("/verify-email/{token}", show_link)
        .post("/verify-email/{token}", confirm)
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Typed {
    name: String,
    email: String,
    password: String,
    setup: String,
    next: String,
}

#[derive(Template)]
#[template(path = "sign_up/index.html")]
struct Index {
    it: Typed,
    faults: Faults,
}

#[derive(Template)]
#[template(path = "sign_up/sent.html")]
struct Sent {
    email: String,
}

#[derive(Template)]
#[template(path = "sign_up/closed.html")]
struct Closed;

#[derive(Template)]
#[template(path = "sign_up/confirm.html")]
struct Confirm {
    token: String,
    email: String,
    asks_password: bool,
    faults: Faults,
}

#[derive(Template)]
#[template(path = "sign_up/confirm_change.html")]
struct ConfirmChange {
    token: String,
    email: String,
    old: String,
}

#[derive(Template)]
#[template(path = "sign_up/over.html")]
struct Over;

async fn show(anyone: Anyone, page: Page, Query(it): Query<Typed>) -> Result<Response> {
    if anyone.me().is_some() {
        return Ok(page.to(sign_in::safe_next(&it.next).unwrap_or("/")));
    }
    if is_closed(&anyone).await? {
        return page.with(403).plain("Sign-up is by invitation", Closed);
    }
    let it = Typed { password: String::new(), ..it };
    page.plain("Create a user", Index { it, faults: Faults::default() })
}

/// Where people join by invitation, the first operator still signs up.
async fn is_closed(anyone: &Anyone) -> Result<bool> {
    Ok(!anyone.kit().rules.open_sign_up && users::has_operator(&mut anyone.read()).await?)
}

async fn sign_up(anyone: Anyone, page: Page, Form(it): Form<Typed>) -> Result<Response> {
    if is_closed(&anyone).await? {
        return page.with(403).plain("Sign-up is by invitation", Closed);
    }
    match begin(&anyone, &it).await {
        Ok(email) => page.plain("Check your mail", Sent { email }),
        Err(error) => {
            let (status, faults) = Faults::catch(error)?;
            let it = Typed { password: String::new(), ..it };
            page.with(status).plain("Create a user", Index { it, faults })
        }
    }
}

async fn begin(anyone: &Anyone, it: &Typed) -> Result<String> {
    let mut faults = vec![];
    let name = Name::parse(&it.name).map_err(|it| faults.push(("name", it))).ok();
    let email = Email::parse(&it.email).map_err(|it| faults.push(("email", it))).ok();
    let chosen = password::choose(&it.password, &[&it.name, &it.email]).await?;
    let hashed = chosen.map_err(|it| faults.push(("password", it))).ok();
    let (Some(name), Some(email), Some(hashed)) = (name, email, hashed) else {
        let fault = |(field, it): (&str, crate::model::text::Refusal)| {
            crate::error::Fault::new(field, it.code, it.detail)
        };
        return Err(Error::Invalid(faults.into_iter().map(fault).collect()));
    };
    // Mails cost the reader's time: an address can be mailed by strangers only so often.
    let keys =
        [(format!("sign-up {}", email.key()), 5), (format!("sign-up from {}", anyone.client().ip()), 1000)];
    let _ = anyone.app().throttle().attempt(&keys)?;
    let next = sign_in::safe_next(&it.next).unwrap_or_default();
    let new = SignUp { name: &name, email: &email, password: &hashed, setup: &it.setup, next };
    let id = anyone.change(async |change| sign_ups::begin(change, &new).await).await?;
    sign_in::remember_sign_up(anyone, id).await?;
    Ok(email.as_str().to_owned())
}

async fn show_link(anyone: Anyone, page: Page, Token(token): Token) -> Result<Response> {
    let mut scope = anyone.read();
    if let Some(it) = sign_ups::find(&mut scope, &token).await? {
        let asks_password = sign_in::sign_up(&anyone).await? != Some(it.id);
        let confirm = Confirm { token, email: it.email, asks_password, faults: Faults::default() };
        return page.plain("Confirm your address", confirm);
    }
    match email_tokens::find_email_change(&mut scope, &token).await? {
        Some(it) => {
            page.plain("Confirm your new address", ConfirmChange { token, email: it.email, old: it.old })
        }
        None => page.with(410).plain("This link is over", Over),
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NewPassword {
    password: String,
}

async fn confirm(
    anyone: Anyone,
    page: Page,
    Token(token): Token,
    headers: HeaderMap,
    Form(it): Form<NewPassword>,
) -> Result<Response> {
    let Some(pending) = sign_ups::find(&mut anyone.read(), &token).await? else {
        return confirm_change(&anyone, &page, &token).await;
    };
    // Whoever opens the link elsewhere reads the mail, but need not be who typed the password.
    let asks_password = sign_in::sign_up(&anyone).await? != Some(pending.id);
    let chosen = match asks_password {
        true => Some(password::choose(&it.password, &[&pending.name, &pending.email]).await?),
        false => None,
    };
    let hashed = match chosen.transpose() {
        Ok(it) => it,
        Err(refusal) => {
            let (status, faults) = Faults::catch(Error::at("password")(refusal))?;
            let confirm = Confirm { token, email: pending.email, asks_password, faults };
            return page.with(status).plain("Confirm your address", confirm);
        }
    };
    let done = anyone.change(async |change| sign_ups::confirm(change, &token, hashed.as_deref()).await).await;
    let (person, next) = match done {
        Ok(it) => it,
        Err(Error::Conflict { .. }) => return page.with(410).plain("This link is over", Over),
        Err(other) => return Err(other),
    };
    let next = next.unwrap_or_default();
    let arrival = Arrival { user: person.id, method: "password", two_factors: false, next: &next };
    let arrived = sign_in::arrive(&anyone, &page, &headers, &arrival).await?;
    Ok(page.saying(arrived, format!("Welcome, {}.", person.name)))
}

async fn confirm_change(anyone: &Anyone, page: &Page, token: &str) -> Result<Response> {
    match anyone.change(async |change| email_tokens::confirm_email_change(change, token).await).await {
        Ok(it) => {
            let to = if anyone.me().is_some() { "/me" } else { "/sign-in" };
            Ok(page.done(to, format!("You sign in with {} from now on.", it.email)))
        }
        Err(Error::Conflict { .. }) => page.clone().with(410).plain("This link is over", Over),
        Err(other) => Err(other),
    }
}
