//! The signed-in user's passkeys, password, codes and sessions.
use super::Head;
use crate::{
    clients::social::Provider,
    crypto::{passkey::Party, password},
    error::{Error, Result},
    http::{
        form::Form,
        gate::{At, SignedIn},
        reauth::{Given, Proof},
        routes::Routes,
        user_agent,
    },
    model::{
        account::LoginType,
        id::{PasskeyId, SessionId},
    },
    store::{
        factors::{self, CODES, Ways},
        identities::Identity,
        me, sessions,
        shell::seats,
        sign_in_methods::{self, Doors},
    },
    view::page::{Faults, Page, When},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/me/security", show)
        .post("/me/security", change_password)
        .get("/me/security/password", show_password)
        .post("/me/security/password/remove", remove_password)
        .post("/me/sessions/{id}/end", end)
        .post("/me/sessions/end-others", end_others)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NewPassword {
    new_password: String,
    #[serde(flatten)]
    proof: Given,
}

#[derive(Template)]
#[template(path = "me/security/index.html")]
struct Index {
    head: Head,
    passkeys: Vec<Passkey>,
    takes_passkeys: bool,
    ways: Ways,
    app: Option<When>,
    codes_of: usize,
    others: Vec<Other>,
    through: Vec<Through>,
    sessions: Vec<Listed>,
}

/// Google or GitHub.
struct Other {
    word: &'static str,
    title: &'static str,
    icon: &'static str,
    label: String,
    since: Option<When>,
    used: Option<When>,
}

/// An organization whose provider knows the user.
struct Through {
    organization: String,
    enforced: bool,
    email: String,
    since: When,
    used: When,
}

/// A passkey in plain words.
struct Passkey {
    id: PasskeyId,
    name: String,
    added: When,
    used: Option<When>,
}

#[derive(Template)]
#[template(path = "me/security/password.html")]
struct Password {
    email: String,
    is_set: bool,
    has_another: bool,
    proof: Proof,
    faults: Faults,
}

/// A session in plain words.
struct Listed {
    id: SessionId,
    device: user_agent::Device,
    ip: String,
    method: String,
    two_factors: bool,
    is_this: bool,
    since: When,
    seen: When,
}

async fn show(signed: SignedIn, page: Page) -> Result<Response> {
    let mut scope = signed.read();
    let me = signed.me();
    let zone = page.zone(me.time_zone.as_deref());
    let listed = |it: sessions::Listed| Listed {
        device: user_agent::device(&it.agent),
        is_this: it.id == me.session.id,
        method: LoginType::parse(&it.method).map_or(it.method, |it| it.title().to_lowercase()),
        two_factors: it.two_factors,
        since: When::day(it.created_at, &zone),
        seen: When::minute(it.seen_at, &zone),
        id: it.id,
        ip: it.ip,
    };
    let mut sessions: Vec<Listed> = sessions::list(&mut scope).await?.into_iter().map(listed).collect();
    sessions.sort_by_key(|it| !it.is_this);
    let Doors { ways, passkeys, identities: linked } = sign_in_methods::list(&mut scope).await?;
    let passkeys = passkeys.into_iter().map(|it| Passkey {
        added: When::day(it.created_at, &zone),
        used: it.used_at.map(|it| When::minute(it, &zone)),
        id: it.id,
        name: it.name,
    });
    let other = |it: Provider| {
        let mine = linked.iter().find(|mine| mine.provider == it.word());
        (mine.is_some() || signed.kit().social.has(it)).then(|| Other {
            word: it.word(),
            title: it.title(),
            icon: if it == Provider::GitHub { "git-branch" } else { "globe" },
            label: mine.map_or_else(String::new, |it| it.label.clone()),
            since: mine.map(|it| When::day(it.linked_at, &zone)),
            used: mine.map(|it| When::minute(it.used_at, &zone)),
        })
    };
    let others = Provider::ALL.into_iter().filter_map(other).collect();
    let through = |it: &Identity| {
        Some(Through {
            organization: it.organization.clone()?,
            enforced: it.enforced,
            email: it.label.clone(),
            since: When::day(it.linked_at, &zone),
            used: When::minute(it.used_at, &zone),
        })
    };
    let through = linked.iter().filter_map(through).collect();
    let seats = seats(&mut scope, me.person.id).await?;
    let index = Index {
        head: Head::of(&signed, &seats, "security"),
        passkeys: passkeys.collect(),
        takes_passkeys: Party::of(&signed.kit().rules).is_some(),
        ways,
        app: ways.app_since.map(|it| When::day(it, &zone)),
        codes_of: CODES,
        others,
        through,
        sessions,
    };
    page.show_among(&scope, &seats, "Security", index)
}

async fn show_password(signed: SignedIn, page: Page) -> Result<Response> {
    ask_password(&signed, &page, Faults::default()).await
}

async fn ask_password(signed: &SignedIn, page: &Page, faults: Faults) -> Result<Response> {
    let proof = signed.proof().await?;
    let mut scope = signed.read();
    let ways = factors::ways(&mut scope, signed.me().person.id).await?;
    let it = Password {
        email: signed.me().person.email.clone(),
        is_set: ways.password,
        has_another: ways.passkeys > 0 || ways.is_linked(),
        proof,
        faults,
    };
    page.show(&mut scope, "Password", it).await
}

async fn change_password(signed: SignedIn, page: Page, Form(it): Form<NewPassword>) -> Result<Response> {
    match choose(&signed, &it).await {
        Ok(()) => Ok(page.done("/me/security", "Your password is changed. Your other sessions have ended.")),
        Err(error) => {
            let (status, faults) = Faults::catch(error)?;
            ask_password(&signed, &page.with(status), faults).await
        }
    }
}

async fn choose(signed: &SignedIn, it: &NewPassword) -> Result<()> {
    let fresh = signed.prove(&it.proof).await?;
    let person = &signed.me().person;
    let chosen = password::choose(&it.new_password, &[&person.name, &person.email]).await?;
    let hashed = chosen.map_err(Error::at("new_password"))?;
    signed.change(async |change| me::change_password(change, &fresh, &hashed).await).await
}

async fn remove_password(signed: SignedIn, page: Page, Form(it): Form<Given>) -> Result<Response> {
    let done = match signed.prove(&it).await {
        Ok(fresh) => signed.change(async |change| me::remove_password(change, &fresh).await).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(()) => Ok(page.done("/me/security", "Your password is removed. You sign in another way.")),
        Err(error) => {
            let (status, faults) = Faults::catch(error)?;
            ask_password(&signed, &page.with(status), faults).await
        }
    }
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
