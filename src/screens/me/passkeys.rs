//! The signed-in user's passkeys: added with a name, renamed, removed.
use super::codes::show_new;
use crate::{
    crypto::passkey::Party,
    error::{Error, Result},
    http::{
        form::{Form, Query},
        gate::{At, SignedIn},
        passkeys as browser,
        reauth::{Given, Proof},
        routes::Routes,
        sign_in,
    },
    model::{id::PasskeyId, text::Name},
    store::{
        factors,
        passkeys::{self, Listed},
    },
    view::page::{Faults, Page, When},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/me/security/passkeys/new", show_new_one)
        .post("/me/security/passkeys/new", add)
        .post("/me/security/passkeys/challenge", challenge)
        .get("/me/security/passkeys/{id}", show)
        .post("/me/security/passkeys/{id}", rename)
        .post("/me/security/passkeys/{id}/remove", remove)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Typed {
    name: String,
    credential: String,
    next: String,
    #[serde(flatten)]
    proof: Given,
}

#[derive(Template)]
#[template(path = "me/security/new_passkey.html")]
struct New {
    name: String,
    next: String,
    is_possible: bool,
    proof: Proof,
    faults: Faults,
}

#[derive(Template)]
#[template(path = "me/security/passkey.html")]
struct One {
    id: PasskeyId,
    name: String,
    typed: String,
    added: When,
    used: Option<When>,
    is_last: bool,
    proof: Proof,
    faults: Faults,
}

async fn show_new_one(signed: SignedIn, page: Page, Query(it): Query<Typed>) -> Result<Response> {
    ask(&signed, &page, it, Faults::default()).await
}

async fn ask(signed: &SignedIn, page: &Page, it: Typed, faults: Faults) -> Result<Response> {
    let proof = signed.proof().await?;
    let new = New {
        next: sign_in::safe_next(&it.next).unwrap_or_default().to_owned(),
        name: it.name,
        is_possible: Party::of(&signed.kit().rules).is_some(),
        proof,
        faults,
    };
    page.show(&mut signed.read(), "Add a passkey", new).await
}

async fn challenge(signed: SignedIn) -> Result<Response> {
    let person = &signed.me().person;
    let known = passkeys::credential_ids(&mut signed.read(), person.id).await?;
    browser::creation(signed.kit(), signed.session(), person, known).await
}

async fn add(signed: SignedIn, page: Page, Form(it): Form<Typed>) -> Result<Response> {
    match make(&signed, &it).await {
        Ok(codes) => {
            sign_in::raise(&signed).await?;
            let next = sign_in::safe_next(&it.next).unwrap_or("/me/security");
            match codes {
                Some(codes) => show_new(&signed, &page, codes, next).await,
                None => Ok(page.done(next, "The passkey is added.")),
            }
        }
        Err(error) => {
            let (status, faults) = Faults::catch(error)?;
            ask(&signed, &page.with(status), it, faults).await
        }
    }
}

async fn make(signed: &SignedIn, it: &Typed) -> Result<Option<Vec<String>>> {
    let name = Name::parse(&it.name).map_err(Error::at("name"))?;
    // Before the proof, which may be another passkey's answer: both are kept in the one place.
    let credential = match it.credential.is_empty() {
        true => None,
        false => Some(browser::made(signed.kit(), signed.session(), &it.credential).await?),
    };
    let fresh = signed.prove(&it.proof).await?;
    let detail = "Press “Create passkey”, and follow what your browser says.";
    let credential = credential.ok_or_else(|| Error::invalid("credential", "required", detail))?;
    signed.change(async |change| passkeys::add(change, &fresh, &name, &credential).await).await
}

async fn show(signed: SignedIn, page: Page, At(id): At<PasskeyId>) -> Result<Response> {
    let it = passkeys::find(&mut signed.read(), id).await?;
    draw(&signed, &page, it, None, Faults::default()).await
}

async fn draw(
    signed: &SignedIn,
    page: &Page,
    it: Listed,
    typed: Option<String>,
    faults: Faults,
) -> Result<Response> {
    let proof = signed.proof().await?;
    let zone = page.zone(signed.me().time_zone.as_deref());
    let mut scope = signed.read();
    let ways = factors::ways(&mut scope, signed.me().person.id).await?;
    let title = it.name.clone();
    let one = One {
        id: it.id,
        typed: typed.unwrap_or_else(|| it.name.clone()),
        name: it.name,
        added: When::day(it.created_at, &zone),
        used: it.used_at.map(|it| When::minute(it, &zone)),
        is_last: !ways.password && !ways.is_linked() && ways.passkeys == 1,
        proof,
        faults,
    };
    page.show(&mut scope, &title, one).await
}

async fn rename(
    signed: SignedIn,
    page: Page,
    At(id): At<PasskeyId>,
    Form(it): Form<Typed>,
) -> Result<Response> {
    let done = match Name::parse(&it.name).map_err(Error::at("name")) {
        Ok(name) => signed.change(async |change| passkeys::rename(change, id, &name).await).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(()) => Ok(page.done("/me/security", "The passkey is renamed.")),
        Err(error) => {
            let (status, faults) = Faults::catch(error)?;
            let found = passkeys::find(&mut signed.read(), id).await?;
            draw(&signed, &page.with(status), found, Some(it.name), faults).await
        }
    }
}

async fn remove(
    signed: SignedIn,
    page: Page,
    At(id): At<PasskeyId>,
    Form(it): Form<Given>,
) -> Result<Response> {
    let found = passkeys::find(&mut signed.read(), id).await?;
    let done = match signed.prove(&it).await {
        Ok(fresh) => signed.change(async |change| passkeys::remove(change, &fresh, id).await).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(()) => Ok(page.done("/me/security", format!("The passkey “{}” is removed.", found.name))),
        Err(error) => {
            let (status, faults) = Faults::catch(error)?;
            draw(&signed, &page.with(status), found, None, faults).await
        }
    }
}
