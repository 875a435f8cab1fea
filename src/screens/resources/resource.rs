//! One resource: what it is, who reaches it, and its visibility.
use super::{ResourceLooks, usage::ResourceUsage};
use crate::{
    error::{Error, Result},
    http::{
        form::Form,
        gate::{Can, PathId},
    },
    model::{
        access::Access,
        calendar::Day,
        id::ResourceId,
        permission::{Permission, Permissions, UpdateResources, ViewResources},
        resource::Visibility,
        time::Time,
    },
    store::resources::{self, ReachGroup, ReachedBy, Resource, ResourceReach, ResourceUpdate},
    view::{form_errors::FormErrors, page::Page, shell::tint, when::When},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

/// People who reach the resource through the same grant.
struct ReachRow {
    title: String,
    description: String,
    people: i64,
    /// `(tint, name)`.
    named: Vec<(u8, String)>,
}

#[derive(Template)]
#[template(path = "resources/show.html")]
struct ResourcePage {
    list: String,
    product_href: String,
    product: String,
    href: String,
    looks: ResourceLooks,
    resource: Resource,
    /// `of team Trailers`; empty if no team owns it.
    of_team: String,
    creator: String,
    created: When,
    changed: When,
    /// Since when credentials are stored; `None` for kinds without credentials.
    credentials: Option<String>,
    seen: ResourceReach,
    why_href: String,
    /// `None` if the viewer may not see usage.
    used: Option<ResourceUsage>,
    /// `None` if the viewer may not see members.
    reach: Option<Vec<ReachRow>>,
    may_update: bool,
    may_delete: bool,
    may_hide: bool,
    errors: FormErrors,
}

impl ResourcePage {
    fn is_private(&self) -> bool {
        self.resource.visibility == Visibility::Private
    }
    fn who_shared(&self) -> String {
        format!("Everybody whose role covers {}", self.product)
    }
    fn who_private(&self) -> String {
        let creator = if self.creator.is_empty() { "its creator" } else { &self.creator };
        let lost = self.seen.if_shared - self.seen.if_private;
        let who = format!("Only {creator} and administrators.");
        match (self.is_private(), lost) {
            (true, _) => who,
            (false, 0) => format!("{who} Nobody would lose sight of it."),
            (false, 1) => format!("{who} 1 person would lose sight of it."),
            (false, _) => format!("{who} {lost} people would lose sight of it."),
        }
    }
}

pub(super) async fn show(
    can: Can<ViewResources>,
    page: Page,
    PathId(id): PathId<ResourceId>,
) -> Result<Response> {
    draw(&can, &page, id, FormErrors::default()).await
}

async fn draw<P: crate::model::permission::Needs>(
    can: &Can<P>,
    page: &Page,
    id: ResourceId,
    errors: FormErrors,
) -> Result<Response> {
    let mut scope = can.read();
    let today = Day::of(can.context().now());
    let (found, used) =
        resources::find_with_usage(&mut scope, id, today.month().first(), today.plus(1)).await?;
    let resource = scope.on::<ViewResources, _>(found)?.into_inner();
    let access = can.access();
    if resource.account != access.account.id {
        let team = resource.team.map(|team| team.slug).ok_or(Error::NotFound)?;
        return Ok(page.to(&format!("/a/{team}/resources/{id}")));
    }
    let seen = resources::reach(&mut scope, &resource).await?;
    let used = used.map(|sums| ResourceUsage::of(can, id, &sums));
    let catalog = &can.context().catalog;
    let zone = page.zone(can.actor().time_zone());
    let list = can.path("resources");
    let title = resource.name.clone();
    let has_credentials = catalog.kind(&resource.kind).is_some_and(|kind| kind.has_credentials);
    let stored = |at: Option<Time>| {
        at.map_or("None are stored".to_owned(), |at| format!("Stored, encrypted, since {}", at.day(&zone)))
    };
    let body = ResourcePage {
        product_href: format!("{list}?product={}", resource.product),
        product: catalog.product_name(&resource.product).to_owned(),
        href: format!("{list}/{id}"),
        list,
        looks: ResourceLooks::of(&resource, catalog),
        of_team: resource.team.as_ref().map(|team| format!(" of team {}", team.name)).unwrap_or_default(),
        creator: resource.creator_name.clone().unwrap_or_default(),
        created: When::day(resource.created_at, &zone),
        changed: When::minute(resource.updated_at, &zone),
        credentials: (has_credentials || resource.secret_at.is_some()).then(|| stored(resource.secret_at)),
        reach: access
            .may(Permission::ViewMembers)
            .then(|| seen.groups.iter().map(|group| reach_row(group, access)).collect()),
        why_href: can.path(&format!("why?permission=resources.view&resource={id}")),
        seen,
        used,
        may_update: access.may_on(Permission::UpdateResources, &resource),
        may_delete: access.may_on(Permission::DeleteResources, &resource),
        may_hide: resource.creator.is_some_and(|creator| access.is_user(creator))
            || access.is_administrator(),
        errors,
        resource,
    };
    page.show(&mut scope, &title, body).await
}

fn reach_row(group: &ReachGroup, access: &Access) -> ReachRow {
    let above = access.account.parent.as_ref().map_or("", |(parent, _)| parent.name.as_str());
    let (title, description) = match &group.by {
        ReachedBy::Administrators => ("Owner and admins".to_owned(), "Everything".to_owned()),
        ReachedBy::Leaders => (format!("Owner and admins of {above}"), "Everything".to_owned()),
        ReachedBy::Grant(grant) => (grant.title(), permission_words(group.allows)),
    };
    let named = group.some.iter().map(|(id, name)| (tint(&id.to_string()), name.clone())).collect();
    ReachRow { title, description, people: group.people, named }
}

/// `View, change, run`.
fn permission_words(allows: Permissions) -> String {
    let words = [
        (Permission::ViewResources, "view"),
        (Permission::UpdateResources, "change"),
        (Permission::DeleteResources, "delete"),
        (Permission::RunResources, "run"),
        (Permission::ViewAnalytics, "insights"),
    ];
    let words: Vec<&str> = words.iter().filter(|word| allows.has(word.0)).map(|word| word.1).collect();
    let text = words.join(", ");
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct VisibilityForm {
    visibility: String,
    seen: String,
}

pub(super) async fn set_visibility(
    can: Can<UpdateResources>,
    page: Page,
    PathId(id): PathId<ResourceId>,
    Form(form): Form<VisibilityForm>,
) -> Result<Response> {
    let visibility = Visibility::parse(&form.visibility);
    let apply = async |change: &mut _| {
        let visibility =
            visibility.ok_or_else(|| Error::invalid("visibility", "invalid", "Choose shared or private."))?;
        set(change, id, visibility, &form.seen).await
    };
    let path = can.path(&format!("resources/{id}"));
    match can.change(apply).await {
        Ok(()) if form.visibility == "private" => {
            Ok(page.done(&path, "Only its creator and administrators see it now."))
        }
        Ok(()) => Ok(page.done(&path, "Everybody whose role covers it sees it now.")),
        Err(error) => {
            let (status, errors) = FormErrors::catch(changed(error))?;
            draw(&can, &page.with(status), id, errors).await
        }
    }
}

async fn set(
    change: &mut crate::store::Change<Access>,
    id: ResourceId,
    visibility: Visibility,
    seen: &str,
) -> Result<()> {
    let found = resources::find(change, id).await?;
    let resource = change.on(found)?;
    let update = ResourceUpdate { visibility: Some(visibility), ..ResourceUpdate::default() };
    resources::update(change, resource, update, version(seen)).await
}

/// The version that a form was made from.
pub(super) fn version(seen: &str) -> Option<Time> {
    seen.parse().ok().map(Time)
}

/// A conflict that the form can show: somebody else saved first.
pub(super) fn changed(error: Error) -> Error {
    match error {
        Error::VersionMismatch => Error::conflict(
            "changed",
            "Somebody changed it while you were looking. This is how it is now: look again, then save.",
        ),
        other => other,
    }
}
