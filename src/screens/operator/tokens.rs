//! The service tokens of the platform's own back end: the list, creating, revoking.
use crate::{
    error::{Error, Result},
    http::{
        form::Form,
        gate::{Operator, PathId},
        reauth::{ReauthForm, ReauthInput},
        routes::Routes,
    },
    model::{
        id::TokenId,
        text::Name,
        token::{Scopes, TokenScope},
    },
    store::tokens::{self, Token},
    view::{form_errors::FormErrors, page::Page, when::When},
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
struct TokensPage {
    rows: Vec<TokenRow>,
}

struct TokenRow {
    id: String,
    name: String,
    last4: String,
    scopes: String,
    created: When,
    used: Option<When>,
    is_active: bool,
}

impl TokenRow {
    fn of(token: Token, zone: &TimeZone) -> TokenRow {
        let scopes: Vec<&str> = token.scopes().iter().map(TokenScope::description).collect();
        TokenRow {
            id: token.id.to_string(),
            scopes: scopes.join(", "),
            created: When::day(token.created_at, zone),
            used: token.used_at.map(|at| When::minute(at, zone)),
            is_active: token.revoked_at.is_none(),
            name: token.name,
            last4: token.last4,
        }
    }
}

async fn list(operator: Operator, page: Page) -> Result<Response> {
    let zone = page.zone(operator.signed_in_user().time_zone.as_deref());
    let mut scope = operator.read();
    let rows = tokens::list(&mut scope).await?.into_iter().map(|token| TokenRow::of(token, &zone)).collect();
    page.show(&mut scope, "Service tokens", TokensPage { rows }).await
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NewTokenForm {
    name: String,
    scope: Vec<String>,
    #[serde(flatten)]
    reauth: ReauthInput,
}

#[derive(Template)]
#[template(path = "operator/tokens/new.html")]
struct NewTokenPage {
    name: String,
    scopes: Vec<(TokenScope, bool)>,
    reauth: ReauthForm,
    errors: FormErrors,
}

#[derive(Template)]
#[template(path = "operator/tokens/created.html")]
struct TokenCreatedPage {
    name: String,
    secret: String,
    scopes: String,
    call: String,
}

async fn show(operator: Operator, page: Page) -> Result<Response> {
    show_form(&operator, &page, "", Scopes::ALL, FormErrors::default()).await
}

async fn show_form(
    operator: &Operator,
    page: &Page,
    name: &str,
    scopes: Scopes,
    errors: FormErrors,
) -> Result<Response> {
    let new_token_page = NewTokenPage {
        name: name.to_owned(),
        scopes: TokenScope::ALL.into_iter().map(|scope| (scope, scopes.has(scope))).collect(),
        reauth: operator.reauth_form().await?,
        errors,
    };
    page.show(&mut operator.read(), "Create service token", new_token_page).await
}

async fn create(operator: Operator, page: Page, Form(form): Form<NewTokenForm>) -> Result<Response> {
    let scopes: Vec<TokenScope> = form.scope.iter().filter_map(|scope| TokenScope::parse(scope)).collect();
    let scopes = Scopes::of(&scopes);
    let secret = match create_token(&operator, &form, scopes).await {
        Ok(secret) => secret,
        Err(error) => {
            let (status, errors) = FormErrors::catch(error)?;
            return show_form(&operator, &page.with(status), &form.name, scopes, errors).await;
        }
    };
    let descriptions: Vec<&str> = scopes.iter().map(TokenScope::description).collect();
    let endpoint = if scopes.has(TokenScope::Verify) { "keys/verify" } else { "usage/events" };
    let created_page = TokenCreatedPage {
        name: form.name,
        secret,
        scopes: descriptions.join(", "),
        call: operator.context().url(&format!("/api/v1/{endpoint}")),
    };
    // The response to the form itself: the secret is stored nowhere, so no other page could show it.
    page.show(&mut operator.read(), "Service token created", created_page).await
}

async fn create_token(operator: &Operator, form: &NewTokenForm, scopes: Scopes) -> Result<String> {
    let name = Name::parse(&form.name).map_err(Error::at("name"))?;
    let recent_auth = operator.reauthenticate(&form.reauth).await?;
    let made =
        operator.change(async |change| tokens::create(change, &name, scopes, Some(&recent_auth)).await);
    Ok(made.await?.1)
}

async fn revoke(operator: Operator, page: Page, PathId(id): PathId<TokenId>) -> Result<Response> {
    let name = operator.change(async |change| tokens::revoke(change, id).await).await?;
    Ok(page.done("/operator/tokens", format!("{name} is revoked. It stopped at once.")))
}
