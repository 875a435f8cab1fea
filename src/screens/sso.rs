//! Security & SSO › Connection: the organization's identity provider.
use super::role_picker::{RolePicker, Typed as Roles};
use crate::{
    app::{
        form::Form,
        gate::Can,
        page::{Faults, Page, When},
        routes::Routes,
    },
    error::{Error, Fault, Result},
    model::{
        account::Kind,
        grant::{Grant, Role},
        permission::ManageSso,
    },
    store::{
        grants::Wanted,
        roles,
        sso::{self, CALLBACK, Connection, Step, Wish},
    },
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The routes of this screen.
pub fn routes() -> Routes {
    Routes::default()
        .get("/a/{slug}/sso", show)
        .post("/a/{slug}/sso", save)
        .get("/a/{slug}/sso/remove", ask_remove)
        .post("/a/{slug}/sso/remove", remove)
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Typed {
    issuer: String,
    client_id: String,
    client_secret: String,
    groups_claim: String,
    groups: String,
    role: Vec<String>,
    product: Vec<String>,
    keep: Vec<String>,
    password: String,
}

#[derive(Template)]
#[template(path = "sso/index.html")]
struct Index {
    slug: String,
    name: String,
    redirect_url: String,
    backchannel_url: String,
    sign_in_url: String,
    typed: Typed,
    picker: RolePicker,
    faults: Faults,
    is_stale: bool,
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
    let mut scope = can.read().await?;
    let custom = roles::list(&mut scope).await?;
    let (connection, usage) = sso::overview(&mut scope, &custom).await?;
    let picker = RolePicker::offer(can.me(), &kit.catalog, &custom, &[], String::new());
    let held = connection.as_ref().map(|it| it.default_grants.clone()).unwrap_or_default();
    let picker = match &typed {
        None => picker.holding(&held),
        Some(it) => picker.typed(&it.roles(), &held, &faults),
    };
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
        faults,
        is_stale: can.is_stale(),
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

/// `developers = video-developer, member`, a line for each group.
fn line((group, grants): (&String, &Vec<Grant>)) -> String {
    let labels: Vec<String> = grants
        .iter()
        .map(|it| match &it.role {
            Role::BuiltIn(_) => it.label(),
            Role::Custom(_, name) => name.clone(),
        })
        .collect();
    format!("{group} = {}", labels.join(", "))
}

impl Typed {
    fn of(it: Option<&Connection>) -> Typed {
        let Some(it) = it else { return Typed { groups_claim: "groups".into(), ..Typed::default() } };
        Typed {
            issuer: it.issuer.clone(),
            client_id: it.client_id.clone(),
            groups_claim: it.groups_claim.clone(),
            groups: it.group_grants.iter().map(line).collect::<Vec<_>>().join("\n"),
            ..Typed::default()
        }
    }
    fn roles(&self) -> Roles {
        let (role, product, keep) = (self.role.clone(), self.product.clone(), self.keep.clone());
        Roles { role, product, keep, ..Roles::default() }
    }
    /// The groups, by their lines. Custom roles are called by their names.
    fn by_group(&self, custom: &[roles::Role]) -> Result<BTreeMap<String, Vec<Wanted>>> {
        let mut all: BTreeMap<String, Vec<Wanted>> = BTreeMap::new();
        for it in self.groups.lines().map(str::trim).filter(|it| !it.is_empty()) {
            let parts = it.rsplit_once('=').map(|(group, roles)| (group.trim(), roles.trim()));
            let Some((group, words)) = parts.filter(|(group, roles)| !group.is_empty() && !roles.is_empty())
            else {
                let shown = crate::model::text::shorten(it, 60);
                let detail = format!("“{shown}” is not of the form: group = role, role.");
                return Err(Error::Invalid(vec![Fault::new("groups", "invalid", detail)]));
            };
            let wanted = words.split(',').map(str::trim).filter(|it| !it.is_empty()).map(|word| {
                let id = custom.iter().find(|it| it.name == word).map(|it| it.id.to_string());
                Wanted { role: id.unwrap_or_else(|| word.to_owned()), scope: None, expires_at: None }
            });
            all.entry(group.to_owned()).or_default().extend(wanted);
        }
        Ok(all)
    }
    fn wanted(&self) -> Vec<Wanted> {
        let products = self.product.iter().map(String::as_str).chain(std::iter::repeat(""));
        let lines = self.role.iter().zip(products).filter(|(role, _)| !role.is_empty());
        lines
            .map(|(role, product)| {
                let over = crate::store::grants::WantedScope::Product { product: product.to_owned() };
                Wanted { role: role.clone(), scope: (!product.is_empty()).then_some(over), expires_at: None }
            })
            .collect()
    }
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

/// The API's fields are the form's, but for grants.
fn by_form(mut faults: Faults) -> Faults {
    for it in &mut faults.0 {
        if it.field.starts_with("group_grants") {
            it.field = "groups".into();
        } else {
            it.field = it.field.replacen("default_grants", "grants", 1);
        }
    }
    faults
}

async fn keep(can: &Can<ManageSso>, it: &Typed) -> Result<()> {
    let custom = roles::list(&mut can.read().await?).await?;
    let groups_claim = if it.groups_claim.trim().is_empty() { "groups" } else { &it.groups_claim };
    let wish = Wish {
        issuer: it.issuer.clone(),
        client_id: it.client_id.clone(),
        client_secret: Some(it.client_secret.clone()).filter(|it| !it.trim().is_empty()),
        groups_claim: groups_claim.to_owned(),
        default_grants: it.wanted(),
        group_grants: it.by_group(&custom)?,
    };
    let fresh = can.prove(&it.password).await?;
    can.change(async |change| sso::save(change, &fresh, wish).await).await
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Confirm {
    confirm: String,
    password: String,
}

#[derive(Template)]
#[template(path = "sso/remove.html")]
struct Remove {
    slug: String,
    linked: i64,
    is_stale: bool,
    faults: Faults,
}

async fn ask_remove(can: Can<ManageSso>, page: Page) -> Result<Response> {
    ask_again(&can, &page, Faults::default()).await
}

async fn ask_again(can: &Can<ManageSso>, page: &Page, faults: Faults) -> Result<Response> {
    let mut scope = can.read().await?;
    let (connection, usage) = sso::overview(&mut scope, &[]).await?;
    connection.ok_or(Error::NotFound)?;
    let it = Remove { slug: can.slug().to_owned(), linked: usage.linked, is_stale: can.is_stale(), faults };
    page.show(&mut scope, "Remove single sign-on", it).await
}

async fn remove(can: Can<ManageSso>, page: Page, Form(it): Form<Confirm>) -> Result<Response> {
    let removed = async {
        let slug = &can.me().here.slug;
        if it.confirm.trim() != slug {
            return Err(Error::invalid("confirm", "mismatch", format!("Type {slug} to confirm.")));
        }
        let fresh = can.prove(&it.password).await?;
        can.change(async |change| sso::remove(change, &fresh).await).await
    };
    match removed.await {
        Ok(()) => {
            Ok(page
                .done(&can.path("sso"), "Single sign-on is removed. Everybody signs in as themselves again."))
        }
        Err(error) => {
            let (status, faults) = Faults::catch(error)?;
            ask_again(&can, &page.with(status), faults).await
        }
    }
}
