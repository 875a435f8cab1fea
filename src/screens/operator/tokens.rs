//! The service tokens of the platform's own back end: listed, made, revoked.
use crate::{
    error::{Error, Result},
    http::{
        form::Form,
        gate::{At, Operator},
        reauth::{Given, Proof},
        routes::Routes,
    },
    model::{
        id::TokenId,
        text::Name,
        token::{Scope, Scopes},
    },
    store::tokens::{self, Token},
    view::page::{Faults, Page, When},
};
use askama::Template;
use axum::response::Response;
use jiff::tz::TimeZone;
use serde::Deserialize;

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/operator/tokens", list)
        .post("/operator/tokens", create)
        .get("/operator/tokens/new", show)
        .post("/operator/tokens/{id}/revoke", revoke)
}

#[derive(Template)]
#[template(path = "operator/tokens/index.html")]
struct Index {
    rows: Vec<Row>,
}

struct Row {
    id: String,
    name: String,
    last4: String,
    scopes: String,
    created: When,
    used: Option<When>,
    works: bool,
}

impl Row {
    fn of(it: Token, zone: &TimeZone) -> Row {
        let scopes: Vec<&str> = it.scopes().iter().map(Scope::says).collect();
        Row {
            id: it.id.to_string(),
            scopes: scopes.join(", "),
            created: When::day(it.created_at, zone),
            used: it.used_at.map(|at| When::minute(at, zone)),
            works: it.revoked_at.is_none(),
            name: it.name,
            last4: it.last4,
        }
    }
}

async fn list(operator: Operator, page: Page) -> Result<Response> {
    let zone = page.zone(operator.me().time_zone.as_deref());
    let mut scope = operator.read();
    let rows = tokens::list(&mut scope).await?.into_iter().map(|it| Row::of(it, &zone)).collect();
    page.show(&mut scope, "Service tokens", Index { rows }).await
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Typed {
    name: String,
    scope: Vec<String>,
    #[serde(flatten)]
    proof: Given,
}

#[derive(Template)]
#[template(path = "operator/tokens/new.html")]
struct New {
    name: String,
    scopes: Vec<(Scope, bool)>,
    proof: Proof,
    faults: Faults,
}

#[derive(Template)]
#[template(path = "operator/tokens/created.html")]
struct Created {
    name: String,
    secret: String,
    scopes: String,
    call: String,
}

async fn show(operator: Operator, page: Page) -> Result<Response> {
    ask(&operator, &page, "", Scopes::ALL, Faults::default()).await
}

async fn ask(
    operator: &Operator,
    page: &Page,
    name: &str,
    scopes: Scopes,
    faults: Faults,
) -> Result<Response> {
    let new = New {
        name: name.to_owned(),
        scopes: Scope::ALL.into_iter().map(|it| (it, scopes.has(it))).collect(),
        proof: operator.proof().await?,
        faults,
    };
    page.show(&mut operator.read(), "Create service token", new).await
}

async fn create(operator: Operator, page: Page, Form(it): Form<Typed>) -> Result<Response> {
    let known: Vec<Scope> = it.scope.iter().filter_map(|it| Scope::parse(it)).collect();
    let scopes = Scopes::of(&known);
    let secret = match make(&operator, &it, scopes).await {
        Ok(secret) => secret,
        Err(error) => {
            let (status, faults) = Faults::catch(error)?;
            return ask(&operator, &page.with(status), &it.name, scopes, faults).await;
        }
    };
    let says: Vec<&str> = scopes.iter().map(Scope::says).collect();
    let call = if scopes.has(Scope::Verify) { "keys/verify" } else { "usage/events" };
    let created = Created {
        name: it.name,
        secret,
        scopes: says.join(", "),
        call: operator.kit().url(&format!("/api/v1/{call}")),
    };
    // The answer to the form itself: the secret is kept nowhere from which another page could show it.
    page.show(&mut operator.read(), "Service token created", created).await
}

async fn make(operator: &Operator, it: &Typed, scopes: Scopes) -> Result<String> {
    let name = Name::parse(&it.name).map_err(Error::at("name"))?;
    let fresh = operator.prove(&it.proof).await?;
    let made = operator.change(async |change| tokens::create(change, &name, scopes, Some(&fresh)).await);
    Ok(made.await?.1)
}

async fn revoke(operator: Operator, page: Page, At(id): At<TokenId>) -> Result<Response> {
    let name = operator.change(async |change| tokens::revoke(change, id).await).await?;
    Ok(page.done("/operator/tokens", format!("{name} is revoked. It stopped at once.")))
}
