//! The signed-in user's password and sessions.
use super::{Head, agent};
use crate::{
    app::{
        form::Form,
        gate::{At, SignedIn},
        page::{Faults, Page, When},
        routes::Routes,
    },
    error::{Error, Result},
    kit::password,
    model::{account::LoginType, id::SessionId},
    store::{me, sessions, shell::seats},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/me/security", show)
        .post("/me/security", change_password)
        .post("/me/sessions/{id}/end", end)
        .post("/me/sessions/end-others", end_others)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NewPassword {
    password: String,
    new_password: String,
}

#[derive(Template)]
#[template(path = "security/index.html")]
struct Index {
    head: Head,
    email: String,
    is_stale: bool,
    faults: Faults,
    sessions: Vec<Listed>,
}

/// A session in plain words.
struct Listed {
    id: SessionId,
    device: agent::Device,
    ip: String,
    method: String,
    is_this: bool,
    since: When,
    seen: When,
}

async fn show(signed: SignedIn, page: Page) -> Result<Response> {
    ask(&signed, &page, Faults::default()).await
}

async fn ask(signed: &SignedIn, page: &Page, faults: Faults) -> Result<Response> {
    let mut scope = signed.read().await?;
    let me = signed.me();
    let zone = page.zone(me.time_zone.as_deref());
    let listed = |it: sessions::Listed| Listed {
        device: agent::device(&it.agent),
        is_this: it.id == me.session.id,
        method: LoginType::parse(&it.method).map_or(it.method, |it| it.title().to_lowercase()),
        since: When::day(it.created_at, &zone),
        seen: When::minute(it.seen_at, &zone),
        id: it.id,
        ip: it.ip,
    };
    let mut sessions: Vec<Listed> = sessions::list(&mut scope).await?.into_iter().map(listed).collect();
    sessions.sort_by_key(|it| !it.is_this);
    let seats = seats(&mut scope, me.person.id).await?;
    let head = Head::of(signed, &seats, "security");
    let index = Index { head, email: me.person.email.clone(), is_stale: signed.is_stale(), faults, sessions };
    page.show(&mut scope, "Security", index).await
}

async fn change_password(signed: SignedIn, page: Page, Form(it): Form<NewPassword>) -> Result<Response> {
    match choose(&signed, &it).await {
        Ok(()) => Ok(page.done("/me/security", "Your password is changed. Your other sessions have ended.")),
        Err(error) => {
            let (status, faults) = Faults::catch(error)?;
            ask(&signed, &page.with(status), faults).await
        }
    }
}

async fn choose(signed: &SignedIn, it: &NewPassword) -> Result<()> {
    let fresh = signed.prove(&it.password).await?;
    let person = &signed.me().person;
    let chosen = password::choose(&it.new_password, &[&person.name, &person.email]).await?;
    let hashed = chosen.map_err(Error::at("new_password"))?;
    signed.change(async |change| me::change_password(change, &fresh, &hashed).await).await
}

async fn end(signed: SignedIn, page: Page, At(id): At<SessionId>) -> Result<Response> {
    signed.change(async |change| sessions::end(change, id).await).await?;
    Ok(page.done("/me/security", "The session has ended."))
}

async fn end_others(signed: SignedIn, page: Page) -> Result<Response> {
    let ended = signed.change(async |change| sessions::end_others(change).await).await?;
    let told = match ended {
        0 => "There was no other session.".to_owned(),
        1 => "1 other session has ended.".to_owned(),
        many => format!("{many} other sessions have ended."),
    };
    Ok(page.done("/me/security", told))
}
