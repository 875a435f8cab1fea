//! Signing in and out.
mod passkey;
mod second;

use crate::{
    app::{
        form::{Form, Query},
        gate::Anyone,
        page::{Faults, Page},
        routes::Routes,
        sign::{self, Arrival},
    },
    error::{Error, Result},
    kit::{passkey::Party, password, social::Provider},
    model::text::Email,
    store::users,
};
use askama::Template;
use axum::{http::HeaderMap, response::Response};
use serde::Deserialize;

/// The routes of this screen.
pub fn routes() -> Routes {
    Routes::default()
        .get("/", home)
        .get("/sign-in", show)
        .post("/sign-in", sign_in)
        .post("/sign-out", sign_out)
        .merge(passkey::routes())
        .merge(second::routes())
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Next {
    next: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SignIn {
    email: String,
    password: String,
    next: String,
}

#[derive(Template)]
#[template(path = "sign_in/index.html")]
struct Index {
    email: String,
    next: String,
    faults: Faults,
    may_sign_up: bool,
    takes_passkeys: bool,
    providers: Vec<Provider>,
}

/// To the account where the visitor was last, or to sign in.
async fn home(anyone: Anyone, page: Page) -> Result<Response> {
    let Some(me) = anyone.me().map(|it| it.person.id) else { return Ok(page.to("/sign-in")) };
    let slug = users::home(&mut anyone.read().await?, me).await?;
    Ok(page.to(&format!("/a/{slug}/overview")))
}

async fn show(anyone: Anyone, page: Page, Query(it): Query<Next>) -> Result<Response> {
    if anyone.me().is_some() {
        return Ok(page.to(sign::safe_next(&it.next).unwrap_or("/")));
    }
    ask(&anyone, &page, SignIn { next: it.next, ..SignIn::default() }, Faults::default())
}

fn ask(anyone: &Anyone, page: &Page, it: SignIn, faults: Faults) -> Result<Response> {
    let may_sign_up = anyone.kit().rules.open_sign_up;
    let takes_passkeys = Party::of(&anyone.kit().rules).is_some();
    let providers = anyone.kit().social.all();
    page.plain(
        "Sign in",
        Index { email: it.email, next: it.next, faults, may_sign_up, takes_passkeys, providers },
    )
}

/// Failures in a quarter of an hour: of a user from one address, of a user from anywhere, of one address with any user. A
/// browser that the user signed in with before is counted for itself, whatever others do.
const OF_USER_THERE: u32 = 10;
const OF_USER: u32 = 100;
const OF_ADDRESS: u32 = 300;

fn counted(email: &Email, ip: &str, is_known: bool) -> Vec<(String, u32)> {
    let user = email.key();
    if is_known {
        return vec![(format!("sign-in {user} with a known browser"), OF_USER_THERE)];
    }
    vec![
        (format!("sign-in {user} from {ip}"), OF_USER_THERE),
        (format!("sign-in {user}"), OF_USER),
        (format!("sign-in from {ip}"), OF_ADDRESS),
    ]
}

async fn sign_in(anyone: Anyone, page: Page, headers: HeaderMap, Form(it): Form<SignIn>) -> Result<Response> {
    let email = match Email::parse(&it.email) {
        Ok(email) => email,
        Err(refusal) => {
            let (status, faults) = Faults::catch(Error::at("email")(refusal))?;
            return ask(&anyone, &page.with(status), it, faults);
        }
    };
    let user = users::find(&mut anyone.read().await?, &email).await?;
    let is_known = user.as_ref().is_some_and(|it| sign::is_known(&anyone, &headers, it.id));
    let attempt = anyone.app().throttle().attempt(&counted(&email, &anyone.client().ip, is_known))?;
    let stored = user.as_ref().and_then(|it| it.password.as_deref());
    let right = password::matches(&it.password, stored).await?;
    let Some(user) = user.filter(|_| right) else {
        let detail = "The address or the password is not right. Check both, or reset your password.";
        let (status, faults) = Faults::catch(Error::invalid("password", "wrong", detail))?;
        return ask(&anyone, &page.with(status), it, faults);
    };
    attempt.forgive();
    let arrival = Arrival { user: user.id, method: "password", two_factors: false, next: &it.next };
    sign::arrive_by_one(&anyone, &page, &headers, &arrival).await
}

async fn sign_out(anyone: Anyone, page: Page, Form(it): Form<Next>) -> Result<Response> {
    sign::leave(anyone.session()).await?;
    Ok(page.to(sign::safe_next(&it.next).unwrap_or("/sign-in")))
}
