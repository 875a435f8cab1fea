//! Security & SSO › Connection: the organization's identity provider.
mod form;
mod remove;

use crate::{
    error::{Error, Result},
    http::{form::Form, gate::Can, reauth::ReauthForm, routes::Routes},
    model::{account::Kind, permission::ManageSso},
    store::{
        roles, scopable_resources,
        sso::{self, CALLBACK, ConnectionInput, TestStep},
    },
    view::{
        form_errors::FormErrors,
        page::Page,
        role_picker::{KeptGrant, RolePicker},
        when::When,
    },
};
use askama::Template;
use axum::response::Response;
use form::ConnectionForm;

pub fn routes() -> Routes {
    Routes::default().get("/a/{slug}/sso", show).post("/a/{slug}/sso", save).merge(remove::routes())
}

#[derive(Template)]
#[template(path = "sso/settings/index.html")]
struct ConnectionPage {
    slug: String,
    name: String,
    redirect_url: String,
    backchannel_url: String,
    sign_in_url: String,
    form: ConnectionForm,
    picker: RolePicker,
    /// Grants of groups that the text field cannot express.
    kept_grants: Vec<KeptGrant>,
    errors: FormErrors,
    reauth: ReauthForm,
    is_saved: bool,
    has_domain: bool,
    is_enforced: bool,
    is_tested: bool,
    test: Option<TestResult>,
    linked: i64,
    members: i64,
    used: Option<When>,
    refused: i64,
}

struct TestResult {
    ok: bool,
    by: String,
    at: When,
    steps: Vec<TestStep>,
}

async fn show(can: Can<ManageSso>, page: Page) -> Result<Response> {
    ask(&can, &page, None, FormErrors::default()).await
}

async fn ask(
    can: &Can<ManageSso>,
    page: &Page,
    typed: Option<ConnectionForm>,
    errors: FormErrors,
) -> Result<Response> {
    let (account, context) = (can.access().account.clone(), can.context().clone());
    if account.kind != Kind::Organization {
        return Err(Error::NotFound);
    }
    let zone = page.zone(can.actor().time_zone());
    let reauth = can.reauth_form().await?;
    let ticked = typed.as_ref().map(|form| form.roles().ticked()).unwrap_or_default();
    let mut scope = can.read();
    let (custom_roles, resources) = scopable_resources::with_roles(&mut scope, "", &ticked).await?;
    let (connection, usage) = sso::overview(&mut scope, &custom_roles).await?;
    // No search for resources: it would put the client secret into the address. The API takes any resource.
    let picker = RolePicker::offer(can.access(), &context.catalog, &custom_roles, &resources, String::new());
    let current_grants = connection
        .as_ref()
        .map(|connection| sso::with_form_ids(&connection.default_grants))
        .unwrap_or_default();
    let picker = match &typed {
        None => picker.holding(&current_grants),
        Some(form) => picker.typed(&form.roles(), &current_grants, &errors),
    };
    let kept_grants = connection
        .as_ref()
        .map(|connection| form::kept_grants(connection, typed.as_ref(), &zone))
        .unwrap_or_default();
    let now = context.now();
    let test = connection.as_ref().and_then(|connection| connection.last_test.clone()).map(|test| {
        TestResult { ok: test.ok, by: test.by, at: When::minute(test.at, &zone), steps: test.steps }
    });
    let body = ConnectionPage {
        redirect_url: context.url(CALLBACK),
        backchannel_url: context.url("/sso/backchannel"),
        sign_in_url: context.url(&format!("/sso/{}", account.slug)),
        slug: account.slug,
        name: account.name,
        picker,
        kept_grants,
        errors,
        reauth,
        is_saved: connection.is_some(),
        has_domain: usage.has_domain,
        is_enforced: connection.as_ref().is_some_and(|connection| connection.is_enforced(now)),
        form: typed.unwrap_or_else(|| ConnectionForm::of(connection.as_ref())),
        is_tested: test.as_ref().is_some_and(|test| test.ok),
        test,
        linked: usage.linked,
        members: usage.members,
        used: usage.used_at.map(|time| When::minute(time, &zone)),
        refused: usage.refused,
    };
    page.show(&mut scope, "Security & SSO", body).await
}

async fn save(can: Can<ManageSso>, page: Page, Form(form): Form<ConnectionForm>) -> Result<Response> {
    match store_connection(&can, &form).await {
        Ok(()) => {
            Ok(page.done(&can.path("sso"), "Connection saved. Test it, then switch it on for everybody."))
        }
        Err(error) => {
            let (status, errors) = FormErrors::catch(error)?;
            ask(&can, &page.with(status), Some(form), by_form_field(errors)).await
        }
    }
}

/// Errors of the grants of groups stand beside the text field.
fn by_form_field(mut errors: FormErrors) -> FormErrors {
    for error in &mut errors.0 {
        if error.field.starts_with("group_grants") {
            error.field = "groups".into();
        }
    }
    errors
}

async fn store_connection(can: &Can<ManageSso>, form: &ConnectionForm) -> Result<()> {
    let fresh = can.reauthenticate(&form.reauth).await?;
    can.change(async |change| {
        let before = sso::get(change).await?;
        let current_grants = before
            .as_ref()
            .map(|connection| sso::with_form_ids(&connection.default_grants))
            .unwrap_or_default();
        let custom_roles = roles::list(change).await?;
        let default_grants = form.roles().grants(change, &current_grants).await?;
        let groups_claim = if form.groups_claim.trim().is_empty() { "groups" } else { &form.groups_claim };
        let input = ConnectionInput {
            issuer: form.issuer.clone(),
            client_id: form.client_id.clone(),
            client_secret: Some(form.client_secret.clone()).filter(|secret| !secret.trim().is_empty()),
            groups_claim: groups_claim.to_owned(),
            default_grants: default_grants.iter().map(sso::as_request).collect(),
            group_grants: form.by_group(before.as_ref(), &custom_roles)?,
        };
        sso::save(change, &fresh, input).await
    })
    .await
}
