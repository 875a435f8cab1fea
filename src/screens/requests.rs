//! Access requests: asked for where something was refused, answered by who may change members.
use crate::{
    error::{Error, Result},
    http::{
        form::{Form, Query},
        gate::{At, Can},
        routes::Routes,
    },
    model::{
        access::Entry,
        grant::Grant,
        id::{RequestId, ResourceId},
        permission::{Inside, Permission, UpdateMembers},
        text::shorten,
        time::Time,
    },
    store::{
        Change,
        requests::{self, Request, Wish},
    },
    view::{
        page::{Faults, Page, When},
        permission_matrix::label,
        shell::tint,
    },
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

/// The routes of this screen.
pub fn routes() -> Routes {
    Routes::default()
        .get("/a/{slug}/requests", list)
        .post("/a/{slug}/requests", ask)
        .get("/a/{slug}/requests/{id}", show)
        .post("/a/{slug}/requests/{id}/grant", grant)
        .post("/a/{slug}/requests/{id}/decline", decline)
}

/// What somebody asks for.
struct Row {
    id: String,
    name: String,
    email: String,
    tint: u8,
    what: String,
    tone: &'static str,
    icon: &'static str,
    note: String,
    at: When,
}

impl Row {
    fn of(it: Request, page: &Page, who: &Entry) -> Row {
        let (tone, icon) = match it.resource.as_ref().map(|it| it.2.as_str()) {
            Some("video") => ("video", "film"),
            Some("image") => ("image", "image"),
            _ => ("", ""),
        };
        let place = it.resource.map(|(_, name, _)| format!(" · {}", shorten(&name, 24))).unwrap_or_default();
        Row {
            id: it.id.to_string(),
            tint: tint(&it.user_id.to_string()),
            what: format!("{}{place}", label(it.permission)),
            tone,
            icon,
            at: When::minute(it.created_at, &page.zone(who.time_zone.as_deref())),
            name: it.name,
            email: it.email,
            note: it.note,
        }
    }
}

#[derive(Template)]
#[template(path = "requests/index.html")]
struct Index {
    base: String,
    members_href: String,
    invitations_href: String,
    account: String,
    sees_members: bool,
    may_invite: bool,
    members: String,
    invitations: String,
    requests: String,
    rows: Vec<Row>,
    said: String,
    newest: String,
    older: String,
}

/// A page of the list.
const LIMIT: usize = 25;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Paged {
    after: String,
}

async fn list(can: Can<UpdateMembers>, page: Page, Query(it): Query<Paged>) -> Result<Response> {
    let who = can.me();
    let mut scope = can.read();
    let after: Option<RequestId> = it.after.parse().ok();
    let mut found = requests::list(&mut scope, after, i64::try_from(LIMIT + 1).unwrap_or(i64::MAX)).await?;
    let (members, invitations, waiting) = requests::counts(&mut scope).await?;
    let more = found.len() > LIMIT;
    found.truncate(LIMIT);
    let base = can.path("requests");
    let older = found.last().filter(|_| more).map(|it| format!("{base}?after={}", it.id));
    let index = Index {
        members_href: can.path("members"),
        invitations_href: can.path("invitations"),
        account: who.here.name.clone(),
        sees_members: who.may(Permission::ViewMembers),
        may_invite: who.may(Permission::InviteMembers),
        members: members.to_string(),
        invitations: some(invitations),
        requests: some(waiting),
        said: "A request names the missing permission. You can grant only what you hold yourself.".into(),
        rows: found.into_iter().map(|it| Row::of(it, &page, who)).collect(),
        newest: after.map_or_else(String::new, |_| base.clone()),
        older: older.unwrap_or_default(),
        base,
    };
    page.show(&mut scope, "Requests", index).await
}

fn some(count: i64) -> String {
    match count {
        0 => String::new(),
        1..=1000 => count.to_string(),
        _ => "1,000+".to_owned(),
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Asked {
    permission: String,
    resource: String,
    note: String,
}

async fn ask(can: Can<Inside>, page: Page, Form(it): Form<Asked>) -> Result<Response> {
    let unknown = |field, detail| Error::invalid(field, "unknown", detail);
    let resource: Option<ResourceId> = match it.resource.as_str() {
        "" => None,
        id => {
            Some(id.parse().map_err(|_| unknown("resource", "There is no such resource in this account."))?)
        }
    };
    let permission = Permission::parse(&it.permission);
    let wish = Wish {
        permission: permission.ok_or_else(|| unknown("permission", "There is no such permission."))?,
        resource,
        note: it.note.trim().to_owned(),
    };
    let to = can.path("overview");
    match can.change(async |change| requests::ask(change, &wish).await).await {
        Ok(true) => Ok(page.done(&to, "You asked for it. The administrators of this account are told.")),
        Ok(false) => Ok(page.done(&to, "You asked for this already. It waits for an answer.")),
        Err(Error::Conflict { detail, .. }) => Ok(page.failed(&to, detail)),
        Err(other) => Err(other),
    }
}

/// Something that would do, as the form names it.
struct Choice {
    value: String,
    title: String,
    says: String,
}

#[derive(Template)]
#[template(path = "requests/show.html")]
struct Show {
    list: String,
    href: String,
    it: Row,
    permission: &'static str,
    choices: Vec<Choice>,
    chosen: String,
    expires_at: String,
    today: String,
    faults: Faults,
}

/// A grant in a form: `developer@product:video`.
fn value(grant: &Grant) -> String {
    use crate::model::grant::{Over, Role};
    let role = match &grant.role {
        Role::BuiltIn(it) => it.word().to_owned(),
        Role::Custom(id, _) => id.to_string(),
    };
    match &grant.over {
        Over::Account => format!("{role}@account"),
        Over::Product(it) => format!("{role}@product:{it}"),
        Over::Resources(_) => format!("{role}@resource"),
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Typed {
    grant: String,
    expires_at: String,
}

async fn show(can: Can<UpdateMembers>, page: Page, At(id): At<RequestId>) -> Result<Response> {
    draw(&can, &page, id, Typed::default(), Faults::default()).await
}

async fn draw(
    can: &Can<UpdateMembers>,
    page: &Page,
    id: RequestId,
    typed: Typed,
    faults: Faults,
) -> Result<Response> {
    let who = can.me();
    let mut scope = can.read();
    let request = requests::find(&mut scope, id).await?;
    let all = requests::choices(&mut scope, &request).await?;
    let choice = |it: &Grant| Choice { value: value(it), title: title(it), says: it.says() };
    let first = all.first().map(value).unwrap_or_default();
    let now = scope.now();
    let show = Show {
        list: can.path("requests"),
        href: can.path(&format!("requests/{id}")),
        permission: request.permission.key(),
        it: Row::of(request, page, who),
        choices: all.iter().map(choice).collect(),
        chosen: if typed.grant.is_empty() { first } else { typed.grant },
        expires_at: typed.expires_at,
        today: now.date(&page.zone(who.time_zone.as_deref())),
        faults,
    };
    page.show(&mut scope, "Request for access", show).await
}

fn title(grant: &Grant) -> String {
    use crate::model::grant::Over;
    match &grant.over {
        Over::Account => format!("{} over the whole account", grant.title()),
        Over::Product(_) => grant.title(),
        Over::Resources(_) => format!("{} over this resource alone", grant.title()),
    }
}

async fn grant(
    can: Can<UpdateMembers>,
    page: Page,
    At(id): At<RequestId>,
    Form(it): Form<Typed>,
) -> Result<Response> {
    let zone = page.zone(can.me().time_zone.as_deref());
    let story = async |change: &mut Change| {
        let request = requests::find(change, id).await?;
        let chosen =
            requests::choices(change, &request).await?.into_iter().find(|had| value(had) == it.grant);
        let unknown = || Error::invalid("grant", "unknown", "Choose one of these roles.");
        let expires_at = match it.expires_at.trim() {
            "" => None,
            date => Some(Time::end_of_day(date, &zone).ok_or_else(|| {
                Error::invalid("expires_at", "invalid", "Enter a date such as 2026-11-21, or none.")
            })?),
        };
        if expires_at.is_some_and(|it| it <= change.now()) {
            return Err(Error::invalid("expires_at", "in_the_past", "The end lies in the past."));
        }
        let grant = Grant { expires_at, ..chosen.ok_or_else(unknown)? };
        requests::grant(change, id, &grant).await
    };
    match can.change(story).await {
        Ok(done) => {
            Ok(page.done(&can.path("requests"), format!("{} has it from now on, and is told.", done.name)))
        }
        Err(Error::NotFound) => Ok(over(&can, &page)),
        Err(error) => {
            let (status, faults) = Faults::catch(error)?;
            draw(&can, &page.clone().with(status), id, it, faults).await
        }
    }
}

/// Somebody else was faster, or the member left.
fn over(can: &Can<UpdateMembers>, page: &Page) -> Response {
    page.failed(&can.path("requests"), "This request was answered already.")
}

async fn decline(can: Can<UpdateMembers>, page: Page, At(id): At<RequestId>) -> Result<Response> {
    match can.change(async |change| requests::decline(change, id).await).await {
        Ok(it) => Ok(page.done(&can.path("requests"), format!("Declined, and {} is told.", it.name))),
        Err(Error::NotFound) => Ok(over(&can, &page)),
        Err(Error::Conflict { detail, .. }) => Ok(page.failed(&can.path("requests"), detail)),
        Err(other) => Err(other),
    }
}
