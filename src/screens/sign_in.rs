//! Signing in and out.
mod passkey;
mod second_factor;

use crate::{
    clients::social::Provider,
    crypto::{passkey::RelyingParty, password},
    error::{Error, Result},
    http::{
        form::{Form, Query},
        gate::Anyone,
        routes::Routes,
        sign_in::{self, VerifiedUser},
    },
    model::text::EmailAddress,
    store::{domains, sso::session_proofs, users},
    view::{form_errors::FormErrors, page::Page},
};
use askama::Template;
use axum::{http::HeaderMap, response::Response};
use serde::Deserialize;

pub fn routes() -> Routes {
    Routes::default()
        .get("/", home)
        .get("/sign-in", show)
        .post("/sign-in", sign_in)
        .post("/sign-out", sign_out)
        .merge(passkey::routes())
        .merge(second_factor::routes())
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SignInQuery {
    next: String,
    email: String,
    /// Not empty: shows the sign-in with a password, even to somebody who is signed in.
    own: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SignInForm {
    email: String,
    /// `None` in the first step, which asks for the address alone.
    password: Option<String>,
    next: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SignOutForm {
    next: String,
}

#[derive(Template)]
#[template(path = "sign_in/index.html")]
struct SignInPage {
    email: String,
    next: String,
    errors: FormErrors,
    may_sign_up: bool,
    asks_password: bool,
    takes_passkeys: bool,
    providers: Vec<Provider>,
}

#[derive(Template)]
#[template(path = "sign_in/sso.html")]
struct SsoSignInPage {
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
#[template(path = "sign_in/signed_out.html")]
struct SignedOutPage {
    go: String,
}

/// Redirects to the account that the user opened last, or to the sign-in.
async fn home(anyone: Anyone, page: Page) -> Result<Response> {
    let Some(me) = anyone.signed_in_user() else { return Ok(page.to("/sign-in")) };
    let mut scope = anyone.read();
    // A session of single sign-on opens that organization alone.
    if !me.session.is_own() {
        let home = session_proofs::home(&mut scope, me.session.id).await?;
        return Ok(page.to(&home.map_or("/sign-in?own=1".to_owned(), |slug| format!("/a/{slug}/overview"))));
    }
    let slug = users::home(&mut scope, me.user.id).await?;
    Ok(page.to(&format!("/a/{slug}/overview")))
}

async fn show(anyone: Anyone, page: Page, Query(query): Query<SignInQuery>) -> Result<Response> {
    if anyone.signed_in_user().is_some() && query.own.is_empty() {
        return Ok(page.to(sign_in::safe_next(&query.next).unwrap_or("/")));
    }
    let password = (!query.own.is_empty()).then(String::new);
    ask(&anyone, &page, SignInForm { next: query.next, email: query.email, password }, FormErrors::default())
}

fn ask(anyone: &Anyone, page: &Page, form: SignInForm, errors: FormErrors) -> Result<Response> {
    let may_sign_up = anyone.context().config.open_sign_up;
    let asks_password = form.password.is_some();
    let takes_passkeys = RelyingParty::new(&anyone.context().config.base_url).is_some();
    let providers = anyone.context().social.configured();
    let (email, next) = (form.email, form.next);
    page.plain(
        "Sign in",
        SignInPage { email, next, errors, may_sign_up, asks_password, takes_passkeys, providers },
    )
}

/// The second step depends on the domain alone: it must not reveal whether the address has a user.
async fn offer_sso(anyone: &Anyone, page: &Page, form: SignInForm, email: &EmailAddress) -> Result<Response> {
    let Some(connection) = domains::sso_organization(&mut anyone.read(), email).await? else {
        return ask(
            anyone,
            page,
            SignInForm { password: Some(String::new()), ..form },
            FormErrors::default(),
        );
    };
    let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let rest = format!("email={}&next={}", encoded(email.as_str()), encoded(&form.next));
    let body = SsoSignInPage {
        domain: email.as_str().rsplit('@').next().unwrap_or_default().to_owned(),
        email: email.as_str().to_owned(),
        go: format!("/sso/{}?{rest}", connection.slug),
        own: format!("/sign-in?own=1&{rest}"),
        organization: connection.name,
        enforced: connection.enforced,
        takes_passkeys: RelyingParty::new(&anyone.context().config.base_url).is_some(),
        providers: anyone.context().social.configured(),
        next: form.next,
    };
    page.plain("Sign in", body)
}

/// Failed attempts in 15 minutes. A browser with which the user signed in before is counted by itself, so nobody else can lock
/// it out.
const PER_USER_AND_ADDRESS: u32 = 10;
const PER_USER: u32 = 100;
const PER_ADDRESS: u32 = 300;

fn throttle_keys(email: &EmailAddress, ip: &str, is_known: bool) -> Vec<(String, u32)> {
    let user = email.key();
    if is_known {
        return vec![(format!("sign-in {user} with a known browser"), PER_USER_AND_ADDRESS)];
    }
    vec![
        (format!("sign-in {user} from {ip}"), PER_USER_AND_ADDRESS),
        (format!("sign-in {user}"), PER_USER),
        (format!("sign-in from {ip}"), PER_ADDRESS),
    ]
}

async fn sign_in(
    anyone: Anyone,
    page: Page,
    headers: HeaderMap,
    Form(form): Form<SignInForm>,
) -> Result<Response> {
    let email = match EmailAddress::parse(&form.email) {
        Ok(email) => email,
        Err(error) => {
            let (status, errors) = FormErrors::catch(Error::at("email")(error))?;
            return ask(&anyone, &page.with(status), form, errors);
        }
    };
    let Some(password) = form.password.clone() else { return offer_sso(&anyone, &page, form, &email).await };
    let user = users::find(&mut anyone.read(), &email).await?;
    let is_known = user.as_ref().is_some_and(|user| sign_in::is_known_browser(&anyone, &headers, user.id));
    let attempt = anyone.app().throttle().attempt(&throttle_keys(&email, &anyone.client().ip(), is_known))?;
    let stored = user.as_ref().and_then(|user| user.password.as_deref());
    let is_right = password::verify(&password, stored).await?;
    let Some(user) = user.filter(|_| is_right) else {
        let detail = "The address or the password is not right. Check both, or reset your password.";
        let (status, errors) = FormErrors::catch(Error::invalid("password", "wrong", detail))?;
        return ask(&anyone, &page.with(status), form, errors);
    };
    attempt.forgive();
    let arrival = VerifiedUser { user: user.id, method: "password", two_factors: false, next: &form.next };
    sign_in::sign_in_first_factor(&anyone, &page, &headers, &arrival).await
}

async fn sign_out(anyone: Anyone, page: Page, Form(form): Form<SignOutForm>) -> Result<Response> {
    let farewell = sign_in::provider_logout_url(&anyone).await?;
    sign_in::sign_out(anyone.session()).await?;
    match farewell {
        // The CSP keeps forms on this site (`form-action`), so the provider is reached by a link.
        Some(go) => page.plain("Signed out", SignedOutPage { go: go.into() }),
        None => Ok(page.to(sign_in::safe_next(&form.next).unwrap_or("/sign-in"))),
    }
}
