//! One resource: what it is, who reaches it, who sees it.
use super::{Looks, used::Used};
use crate::{
    error::{Error, Result},
    http::{
        form::Form,
        gate::{At, Can},
    },
    model::{
        access::Entry,
        calendar::Day,
        id::ResourceId,
        permission::{Permission, Permissions, UpdateResources, ViewResources},
        resource::Visibility,
        time::Time,
    },
    store::resources::{self, Group, Held, Resource, Seen, Update},
    view::{
        page::{Faults, Page, When},
        shell::tint,
    },
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

/// People who reach it by the same grant.
struct Line {
    title: String,
    says: String,
    people: i64,
    /// `(tint, name)`.
    some: Vec<(u8, String)>,
}

#[derive(Template)]
#[template(path = "resources/one.html")]
struct Index {
    list: String,
    product_href: String,
    product: String,
    href: String,
    looks: Looks,
    it: Resource,
    /// `of team Trailers`; empty if no team owns it.
    of_team: String,
    creator: String,
    created: When,
    changed: When,
    /// Since when credentials are stored; none for kinds without.
    credentials: Option<String>,
    seen: Seen,
    why_href: String,
    /// None for who may not see it.
    used: Option<Used>,
    /// None for who may not see the members.
    lines: Option<Vec<Line>>,
    /// Whether a form is shown, or only said.
    may_update: bool,
    may_delete: bool,
    may_hide: bool,
    faults: Faults,
}

impl Index {
    fn is_private(&self) -> bool {
        self.it.visibility == Visibility::Private
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

pub(super) async fn show(can: Can<ViewResources>, page: Page, At(id): At<ResourceId>) -> Result<Response> {
    draw(&can, &page, id, Faults::default()).await
}

async fn draw<P: crate::model::permission::Needs>(
    can: &Can<P>,
    page: &Page,
    id: ResourceId,
    faults: Faults,
) -> Result<Response> {
    let mut scope = can.read();
    let today = Day::of(can.kit().now());
    let (found, used) =
        resources::find_with_usage(&mut scope, id, today.month().first(), today.plus(1)).await?;
    let it = scope.on::<ViewResources, _>(found)?.into_inner();
    let me = can.me();
    if it.account != me.here.id {
        let team = it.team.map(|it| it.slug).ok_or(Error::NotFound)?;
        return Ok(page.to(&format!("/a/{team}/resources/{id}")));
    }
    let seen = resources::reach(&mut scope, &it).await?;
    let used = used.map(|it| Used::of(can, id, &it));
    let catalog = &can.kit().catalog;
    let zone = page.zone(me.time_zone.as_deref());
    let list = can.path("resources");
    let title = it.name.clone();
    let has_credentials = catalog.kind(&it.kind).is_some_and(|it| it.has_credentials);
    let stored = |at: Option<Time>| {
        at.map_or("None are stored".to_owned(), |at| format!("Stored, encrypted, since {}", at.day(&zone)))
    };
    let index = Index {
        product_href: format!("{list}?product={}", it.product),
        product: catalog.product_name(&it.product).to_owned(),
        href: format!("{list}/{id}"),
        list,
        looks: Looks::of(&it, catalog),
        of_team: it.team.as_ref().map(|it| format!(" of team {}", it.name)).unwrap_or_default(),
        creator: it.creator_name.clone().unwrap_or_default(),
        created: When::day(it.created_at, &zone),
        changed: When::minute(it.updated_at, &zone),
        credentials: (has_credentials || it.secret_at.is_some()).then(|| stored(it.secret_at)),
        lines: me.may(Permission::ViewMembers).then(|| seen.groups.iter().map(|it| line(it, me)).collect()),
        why_href: can.path(&format!("why?permission=resources.view&resource={id}")),
        seen,
        used,
        may_update: me.may_on(Permission::UpdateResources, &it),
        may_delete: me.may_on(Permission::DeleteResources, &it),
        may_hide: it.creator == Some(me.person.id) || me.is_administrator(),
        faults,
        it,
    };
    page.show(&mut scope, &title, index).await
}

fn line(it: &Group, me: &Entry) -> Line {
    let above = me.here.parent.as_ref().map_or("", |(it, _)| it.name.as_str());
    let (title, says) = match &it.by {
        Held::Administrators => ("Owner and admins".to_owned(), "Everything".to_owned()),
        Held::Leaders => (format!("Owner and admins of {above}"), "Everything".to_owned()),
        Held::Grant(grant) => (grant.title(), able(it.allows)),
    };
    let some = it.some.iter().map(|(id, name)| (tint(&id.to_string()), name.clone())).collect();
    Line { title, says, people: it.people, some }
}

/// `View, change, run`.
fn able(allows: Permissions) -> String {
    let words = [
        (Permission::ViewResources, "view"),
        (Permission::UpdateResources, "change"),
        (Permission::DeleteResources, "delete"),
        (Permission::RunResources, "run"),
        (Permission::ViewAnalytics, "insights"),
    ];
    let held: Vec<&str> = words.iter().filter(|it| allows.has(it.0)).map(|it| it.1).collect();
    let text = held.join(", ");
    let mut rest = text.chars();
    rest.next().map(|it| it.to_uppercase().chain(rest).collect()).unwrap_or_default()
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    visibility: String,
    seen: String,
}

pub(super) async fn set_visibility(
    can: Can<UpdateResources>,
    page: Page,
    At(id): At<ResourceId>,
    Form(it): Form<Typed>,
) -> Result<Response> {
    let visibility = Visibility::parse(&it.visibility);
    let story = async |change: &mut _| {
        let visibility =
            visibility.ok_or_else(|| Error::invalid("visibility", "invalid", "Choose shared or private."))?;
        set(change, id, visibility, &it.seen).await
    };
    let path = can.path(&format!("resources/{id}"));
    match can.change(story).await {
        Ok(()) if it.visibility == "private" => {
            Ok(page.done(&path, "Only its creator and administrators see it now."))
        }
        Ok(()) => Ok(page.done(&path, "Everybody whose role covers it sees it now.")),
        Err(error) => {
            let (status, faults) = Faults::catch(changed(error))?;
            draw(&can, &page.with(status), id, faults).await
        }
    }
}

async fn set(
    change: &mut crate::store::Change,
    id: ResourceId,
    visibility: Visibility,
    seen: &str,
) -> Result<()> {
    let found = resources::find(change, id).await?;
    let it = change.on(found)?;
    let update = Update { visibility: Some(visibility), ..Update::default() };
    resources::update(change, it, update, version(seen)).await
}

/// The version that a form was made from.
pub(super) fn version(seen: &str) -> Option<Time> {
    seen.parse().ok().map(Time)
}

/// Told beside the form: somebody else was quicker.
pub(super) fn changed(error: Error) -> Error {
    match error {
        Error::Changed => Error::conflict(
            "changed",
            "Somebody changed it while you were looking. This is how it is now: look again, then save.",
        ),
        other => other,
    }
}
