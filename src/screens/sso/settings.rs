//! Security & SSO › Connection: the organization's identity provider.
mod form;
mod remove;

use crate::view::role_picker::{Kept, RolePicker};
use crate::{
    error::{Error, Result},
    http::{form::Form, gate::Can, reauth::Proof, routes::Routes},
    model::{account::Kind, permission::ManageSso},
    store::{
        roles, scopable_resources,
        sso::{self, CALLBACK, Step, Wish},
    },
    view::page::{Faults, Page, When},
};
use askama::Template;
use axum::response::Response;
use form::Typed;

/// The routes of this screen.
pub fn routes() -> Routes {
    Routes::default().get("/a/{slug}/sso", show).post("/a/{slug}/sso", save).merge(remove::routes())
}

#[derive(Template)]
#[template(path = "sso/settings/index.html")]
struct Index {
    slug: String,
    name: String,
    redirect_url: String,
    backchannel_url: String,
    sign_in_url: String,
    typed: Typed,
    picker: RolePicker,
    /// Grants of groups that a line cannot say.
    kept: Vec<Kept>,
    faults: Faults,
    proof: Proof,
    is_saved: bool,
    has_domain: bool,
    is_enforced: bool,
    is_tested: bool,
    test: Option<Tested>,
    linked: i64,
    members: i64,
    used: Option<When>,
    refused: i64,
}

struct Tested {
    ok: bool,
    by: String,
    at: When,
    steps: Vec<Step>,
}

async fn show(can: Can<ManageSso>, page: Page) -> Result<Response> {
    ask(&can, &page, None, Faults::default()).await
}

async fn ask(can: &Can<ManageSso>, page: &Page, typed: Option<Typed>, faults: Faults) -> Result<Response> {
    let (here, kit) = (can.me().here.clone(), can.kit().clone());
    if here.kind != Kind::Organization {
        return Err(Error::NotFound);
    }
    let zone = page.zone(can.me().time_zone.as_deref());
    let proof = can.proof().await?;
    let ticked = typed.as_ref().map(|it| it.roles().ticked()).unwrap_or_default();
    let mut scope = can.read();
    let (custom, found) = scopable_resources::with_roles(&mut scope, "", &ticked).await?;
    let (connection, usage) = sso::overview(&mut scope, &custom).await?;
    // A search would send the secret with it: more resources than fit are for programs.
    let picker = RolePicker::offer(can.me(), &kit.catalog, &custom, &found, String::new());
    let held = connection.as_ref().map(|it| sso::named(&it.default_grants)).unwrap_or_default();
    let picker = match &typed {
        None => picker.holding(&held),
        Some(it) => picker.typed(&it.roles(), &held, &faults),
    };
    let kept = connection.as_ref().map(|it| form::kept(it, typed.as_ref(), &zone)).unwrap_or_default();
    let now = kit.now();
    let tested = connection.as_ref().and_then(|it| it.last_test.clone()).map(|it| Tested {
        ok: it.ok,
        by: it.by,
        at: When::minute(it.at, &zone),
        steps: it.steps,
    });
    let index = Index {
        redirect_url: kit.url(CALLBACK),
        backchannel_url: kit.url("/sso/backchannel"),
        sign_in_url: kit.url(&format!("/sso/{}", here.slug)),
        slug: here.slug,
        name: here.name,
        picker,
        kept,
        faults,
        proof,
        is_saved: connection.is_some(),
        has_domain: usage.has_domain,
        is_enforced: connection.as_ref().is_some_and(|it| it.is_enforced(now)),
        typed: typed.unwrap_or_else(|| Typed::of(connection.as_ref())),
        is_tested: tested.as_ref().is_some_and(|it| it.ok),
        test: tested,
        linked: usage.linked,
        members: usage.members,
        used: usage.used_at.map(|it| When::minute(it, &zone)),
        refused: usage.refused,
    };
    page.show(&mut scope, "Security & SSO", index).await
}

async fn save(can: Can<ManageSso>, page: Page, Form(it): Form<Typed>) -> Result<Response> {
    match keep(&can, &it).await {
        Ok(()) => {
            Ok(page.done(&can.path("sso"), "Connection saved. Test it, then switch it on for everybody."))
        }
        Err(error) => {
            let (status, faults) = Faults::catch(error)?;
            ask(&can, &page.with(status), Some(it), by_form(faults)).await
        }
    }
}

/// A fault of a group's grant stands beside the lines.
fn by_form(mut faults: Faults) -> Faults {
    for it in &mut faults.0 {
        if it.field.starts_with("group_grants") {
            it.field = "groups".into();
        }
    }
    faults
}

async fn keep(can: &Can<ManageSso>, it: &Typed) -> Result<()> {
    let fresh = can.prove(&it.proof).await?;
    can.change(async |change| {
        let before = sso::here(change).await?;
        let held = before.as_ref().map(|it| sso::named(&it.default_grants)).unwrap_or_default();
        let custom = roles::list(change).await?;
        let default_grants = it.roles().grants(change, &held).await?;
        let groups_claim = if it.groups_claim.trim().is_empty() { "groups" } else { &it.groups_claim };
        let wish = Wish {
            issuer: it.issuer.clone(),
            client_id: it.client_id.clone(),
            client_secret: Some(it.client_secret.clone()).filter(|it| !it.trim().is_empty()),
            groups_claim: groups_claim.to_owned(),
            default_grants: default_grants.iter().map(sso::wanted).collect(),
            group_grants: it.by_group(before.as_ref(), &custom)?,
        };
        sso::save(change, &fresh, wish).await
    })
    .await
}
