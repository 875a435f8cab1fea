//! Signing in and out.
mod passkey;
mod second;

use crate::{
    clients::social::Provider,
    crypto::{passkey::Party, password},
    error::{Error, Result},
    http::{
        form::{Form, Query},
        gate::Anyone,
        routes::Routes,
        sign_in::{self, Arrival},
    },
    model::text::Email,
    store::{domains, sso::session_proofs, users},
    view::page::{Faults, Page},
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
struct Asked {
    next: String,
    email: String,
    /// Asks for the person's own sign-in, whoever is signed in.
    own: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SignIn {
    email: String,
    /// Not sent by the first step, which asks for the address alone.
    password: Option<String>,
    next: String,
}

#[derive(Template)]
#[template(path = "sign_in/index.html")]
struct Index {
    email: String,
    next: String,
    faults: Faults,
    may_sign_up: bool,
    /// Whether the password is asked for too.
    asks_password: bool,
    takes_passkeys: bool,
    providers: Vec<Provider>,
}

#[derive(Template)]
#[template(path = "sign_in/sso.html")]
struct Through {
    email: String,
    domain: String,
    organization: String,
    enforced: bool,
    go: String,
    own: String,
    next: String,
    takes_passkeys: bool,
    providers: Vec<Provider>,
}

#[derive(Template)]
#[template(path = "sign_in/out.html")]
struct Out {
    go: String,
}

/// To the account where the visitor was last, or to sign in.
async fn home(anyone: Anyone, page: Page) -> Result<Response> {
    let Some(me) = anyone.me() else { return Ok(page.to("/sign-in")) };
    let mut scope = anyone.read();
    // What a provider opened is all that is open.
    if !me.session.is_own() {
        let home = session_proofs::home(&mut scope, me.session.id).await?;
        return Ok(page.to(&home.map_or("/sign-in?own=1".to_owned(), |it| format!("/a/{it}/overview"))));
    }
    let slug = users::home(&mut scope, me.person.id).await?;
    Ok(page.to(&format!("/a/{slug}/overview")))
}

async fn show(anyone: Anyone, page: Page, Query(it): Query<Asked>) -> Result<Response> {
    if anyone.me().is_some() && it.own.is_empty() {
        return Ok(page.to(sign_in::safe_next(&it.next).unwrap_or("/")));
    }
    let password = (!it.own.is_empty()).then(String::new);
    ask(&anyone, &page, SignIn { next: it.next, email: it.email, password }, Faults::default())
}

fn ask(anyone: &Anyone, page: &Page, it: SignIn, faults: Faults) -> Result<Response> {
    let may_sign_up = anyone.kit().rules.open_sign_up;
    let asks_password = it.password.is_some();
    let takes_passkeys = Party::of(&anyone.kit().rules).is_some();
    let providers = anyone.kit().social.all();
    let (email, next) = (it.email, it.next);
    page.plain(
        "Sign in",
        Index { email, next, faults, may_sign_up, asks_password, takes_passkeys, providers },
    )
}

/// The address decides how to go on. Whether it has a user is told to nobody.
async fn step(anyone: &Anyone, page: &Page, it: SignIn, email: &Email) -> Result<Response> {
    let Some(way) = domains::way(&mut anyone.read(), email).await? else {
        return ask(anyone, page, SignIn { password: Some(String::new()), ..it }, Faults::default());
    };
    let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let rest = format!("email={}&next={}", encoded(email.as_str()), encoded(&it.next));
    let through = Through {
        domain: email.as_str().rsplit('@').next().unwrap_or_default().to_owned(),
        email: email.as_str().to_owned(),
        go: format!("/sso/{}?{rest}", way.slug),
        own: format!("/sign-in?own=1&{rest}"),
        organization: way.name,
        enforced: way.enforced,
        takes_passkeys: Party::of(&anyone.kit().rules).is_some(),
        providers: anyone.kit().social.all(),
        next: it.next,
    };
    page.plain("Sign in", through)
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
    let Some(password) = it.password.clone() else { return step(&anyone, &page, it, &email).await };
    let user = users::find(&mut anyone.read(), &email).await?;
    let is_known = user.as_ref().is_some_and(|it| sign_in::is_known(&anyone, &headers, it.id));
    let attempt = anyone.app().throttle().attempt(&counted(&email, &anyone.client().ip(), is_known))?;
    let stored = user.as_ref().and_then(|it| it.password.as_deref());
    let right = password::matches(&password, stored).await?;
    let Some(user) = user.filter(|_| right) else {
        let detail = "The address or the password is not right. Check both, or reset your password.";
        let (status, faults) = Faults::catch(Error::invalid("password", "wrong", detail))?;
        return ask(&anyone, &page.with(status), it, faults);
    };
    attempt.forgive();
    let arrival = Arrival { user: user.id, method: "password", two_factors: false, next: &it.next };
    sign_in::arrive_by_one(&anyone, &page, &headers, &arrival).await
}

async fn sign_out(anyone: Anyone, page: Page, Form(it): Form<Asked>) -> Result<Response> {
    let farewell = sign_in::farewell(&anyone).await?;
    sign_in::leave(anyone.session()).await?;
    match farewell {
        // A form of ours leads nowhere else: a link does.
        Some(go) => page.plain("Signed out", Out { go: go.into() }),
        None => Ok(page.to(sign_in::safe_next(&it.next).unwrap_or("/sign-in"))),
    }
}
