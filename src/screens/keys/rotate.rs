//! Rotating a key: another takes its place, and for a while both work.
use super::{Looks, new::Created};
use crate::{
    error::{Error, Result},
    http::{
        form::Form,
        gate::{At, Can},
        reauth::{Given, Proof},
    },
    model::{
        id::KeyId,
        permission::{OwnKeys, Permissions},
        time::{DAY, HOUR},
    },
    store::{
        access::EVERYDAY,
        keys::{self, Key},
    },
    view::page::{Faults, Page, When},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;
use std::time::Duration;

/// How long both work: its word, as people say it, and how long that is.
const GRACES: [(&str, &str, Duration); 4] = [
    ("0", "Not at all", Duration::ZERO),
    ("1h", "1 hour", HOUR),
    ("24h", "24 hours", DAY),
    ("7d", "7 days", DAY.saturating_mul(7)),
];

#[derive(Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    grace: String,
    #[serde(flatten)]
    proof: Given,
}
impl Default for Typed {
    fn default() -> Typed {
        Typed { grace: "24h".into(), proof: Given::default() }
    }
}

#[derive(Template)]
#[template(path = "keys/rotate.html")]
struct Ask {
    base: String,
    here: String,
    key: Key,
    looks: Looks,
    graces: Vec<(&'static str, &'static str)>,
    grace: String,
    /// When its successor ends, as long after now as this one lasted.
    ends: Option<When>,
    proof: Proof,
    faults: Faults,
}

/// Whether it holds what is ticked by hand: its successor needs proof again.
fn is_grave(key: &Key) -> bool {
    key.permissions().is_some_and(|it| it.without(EVERYDAY) != Permissions::NONE)
}

pub(super) async fn ask(can: Can<OwnKeys>, page: Page, At(id): At<KeyId>) -> Result<Response> {
    draw(&can, &page, id, Typed::default(), Faults::default()).await
}

async fn draw(can: &Can<OwnKeys>, page: &Page, id: KeyId, typed: Typed, faults: Faults) -> Result<Response> {
    let zone = page.zone(can.me().time_zone.as_deref());
    let mut scope = can.read();
    let key = keys::find(&mut scope, id).await?;
    let now = scope.now();
    let proof = if is_grave(&key) { can.proof().await? } else { Proof::default() };
    let ask = Ask {
        base: can.path("keys"),
        here: can.path(&format!("keys/{id}")),
        looks: Looks::of(&key, now, &zone),
        graces: GRACES.map(|(word, label, _)| (word, label)).into(),
        grace: typed.grace,
        ends: key.expires_at.map(|end| When::day(now.plus(end.since(key.created_at)), &zone)),
        proof,
        faults,
        key,
    };
    page.show(&mut scope, "Rotate API key", ask).await
}

pub(super) async fn rotate(
    can: Can<OwnKeys>,
    page: Page,
    At(id): At<KeyId>,
    Form(it): Form<Typed>,
) -> Result<Response> {
    let zone = page.zone(can.me().time_zone.as_deref());
    match replace(&can, id, &it).await {
        Ok((old, new, secret)) => {
            let until = old.expires_at.map(|at| When::minute(at, &zone));
            Created::show(&can, &page, &new, secret, until).await
        }
        Err(error) => {
            let (status, faults) = Faults::catch(error)?;
            draw(&can, &page.with(status), id, it, faults).await
        }
    }
}

async fn replace(can: &Can<OwnKeys>, id: KeyId, it: &Typed) -> Result<(Key, Key, String)> {
    let Some((.., grace)) = GRACES.iter().find(|(word, ..)| *word == it.grace) else {
        return Err(Error::invalid("grace", "invalid", "Choose how long both work."));
    };
    let key = keys::find(&mut can.read(), id).await?;
    let proof = if is_grave(&key) { Some(can.prove(&it.proof).await?) } else { None };
    can.change(async |change| {
        let (new, secret) = keys::rotate(change, id, *grace, proof.as_ref()).await?;
        Ok((keys::find(change, id).await?, keys::find(change, new).await?, secret))
    })
    .await
}
