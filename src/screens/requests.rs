//! Access requests: sent from the page that was refused, answered by those who may change members.
use crate::{
    error::{Error, Result},
    http::{
        form::{Form, Query},
        gate::{Can, PathId},
        routes::Routes,
    },
    model::{
        access::Access,
        catalog::Catalog,
        grant::Grant,
        id::{RequestId, ResourceId},
        permission::{AnyMember, Permission, UpdateMembers},
        text::{grouped_up_to, shorten},
        time::Time,
    },
    store::{
        Change,
        requests::{self, AccessRequest, AccessRequestInput},
    },
    view::{form_errors::FormErrors, page::Page, permission_matrix::label, shell::tint, when::When},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

pub fn routes() -> Routes {
    Routes::default()
        .get("/a/{slug}/requests", list)
        .post("/a/{slug}/requests", ask)
        .get("/a/{slug}/requests/{id}", show)
        .post("/a/{slug}/requests/{id}/grant", grant)
        .post("/a/{slug}/requests/{id}/decline", decline)
}

struct RequestRow {
    id: String,
    name: String,
    email: String,
    tint: u8,
    what: String,
    tone: &'static str,
    icon: String,
    note: String,
    at: When,
}

impl RequestRow {
    fn of(request: AccessRequest, catalog: &Catalog, zone: &jiff::tz::TimeZone) -> RequestRow {
        let product = request.resource.as_ref().map_or("", |resource| resource.2.as_str());
        let (tone, icon) = (catalog.product_tone(product), catalog.product_icon(product).to_owned());
        let resource =
            request.resource.map(|(_, name, _)| format!(" · {}", shorten(&name, 24))).unwrap_or_default();
        RequestRow {
            id: request.id.to_string(),
            tint: tint(&request.user_id.to_string()),
            what: format!("{}{resource}", label(request.permission)),
            tone,
            icon,
            at: When::minute(request.created_at, zone),
            name: request.name,
            email: request.email,
            note: request.note,
        }
    }
}

#[derive(Template)]
#[template(path = "requests/index.html")]
struct RequestsPage {
    base: String,
    members_href: String,
    invitations_href: String,
    account: String,
    sees_members: bool,
    may_invite: bool,
    members: String,
    invitations: String,
    requests: String,
    rows: Vec<RequestRow>,
    summary: String,
    newest: String,
    older: String,
}

const PAGE_SIZE: usize = 25;

#[derive(Default, Deserialize)]
#[serde(default)]
struct RequestsQuery {
    after: String,
}

async fn list(can: Can<UpdateMembers>, page: Page, Query(query): Query<RequestsQuery>) -> Result<Response> {
    let access = can.access();
    let zone = page.zone(can.actor().time_zone());
    let mut scope = can.read();
    let after: Option<RequestId> = query.after.parse().ok();
    let mut requests =
        requests::list(&mut scope, after, i64::try_from(PAGE_SIZE + 1).unwrap_or(i64::MAX)).await?;
    let (members, invitations, waiting) = requests::counts(&mut scope).await?;
    let more = requests.len() > PAGE_SIZE;
    requests.truncate(PAGE_SIZE);
    let base = can.path("requests");
    let older = requests.last().filter(|_| more).map(|request| format!("{base}?after={}", request.id));
    let index = RequestsPage {
        members_href: can.path("members"),
        invitations_href: can.path("invitations"),
        account: access.account.name.clone(),
        sees_members: access.may(Permission::ViewMembers),
        may_invite: access.may(Permission::InviteMembers),
        members: members.to_string(),
        invitations: count(invitations),
        requests: count(waiting),
        summary: "A request names the missing permission. You can grant only what you hold yourself.".into(),
        rows: requests
            .into_iter()
            .map(|request| RequestRow::of(request, &can.context().catalog, &zone))
            .collect(),
        newest: after.map_or_else(String::new, |_| base.clone()),
        older: older.unwrap_or_default(),
        base,
    };
    page.show(&mut scope, "Requests", index).await
}

/// Empty for none, so that the tab shows no number.
fn count(number: i64) -> String {
    if number == 0 { String::new() } else { grouped_up_to(1000, number) }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct AccessRequestForm {
    permission: String,
    resource: String,
    note: String,
}

async fn ask(can: Can<AnyMember>, page: Page, Form(form): Form<AccessRequestForm>) -> Result<Response> {
    let unknown = |field, detail| Error::invalid(field, "unknown", detail);
    let resource: Option<ResourceId> = match form.resource.as_str() {
        "" => None,
        id => {
            Some(id.parse().map_err(|_| unknown("resource", "There is no such resource in this account."))?)
        }
    };
    let permission = Permission::parse(&form.permission);
    let input = AccessRequestInput {
        permission: permission.ok_or_else(|| unknown("permission", "There is no such permission."))?,
        resource,
        note: form.note.trim().to_owned(),
    };
    let to = can.path("overview");
    match can.change(async |change| requests::ask(change, &input).await).await {
        Ok(true) => Ok(page.done(&to, "You asked for it. The administrators of this account are told.")),
        Ok(false) => Ok(page.done(&to, "You asked for this already. It waits for an answer.")),
        Err(Error::Conflict { detail, .. }) => Ok(page.failed(&to, detail)),
        Err(other) => Err(other),
    }
}

/// A grant that would give what was asked for.
struct GrantChoice {
    value: String,
    title: String,
    description: String,
}

#[derive(Template)]
#[template(path = "requests/show.html")]
struct RequestPage {
    list: String,
    href: String,
    row: RequestRow,
    permission: &'static str,
    choices: Vec<GrantChoice>,
    chosen: String,
    expires_at: String,
    today: String,
    errors: FormErrors,
}

/// A grant as the form names it: `developer@product:video`.
fn form_value(grant: &Grant) -> String {
    use crate::model::grant::{GrantScope, Role};
    let role = match &grant.role {
        Role::BuiltIn(role) => role.as_str().to_owned(),
        Role::Custom(id, _) => id.to_string(),
    };
    match &grant.over {
        GrantScope::Account => format!("{role}@account"),
        GrantScope::Product(product) => format!("{role}@product:{product}"),
        GrantScope::Resources(_) => format!("{role}@resource"),
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct GrantForm {
    grant: String,
    expires_at: String,
}

async fn show(can: Can<UpdateMembers>, page: Page, PathId(id): PathId<RequestId>) -> Result<Response> {
    draw(&can, &page, id, GrantForm::default(), FormErrors::default()).await
}

async fn draw(
    can: &Can<UpdateMembers>,
    page: &Page,
    id: RequestId,
    typed: GrantForm,
    errors: FormErrors,
) -> Result<Response> {
    let zone = page.zone(can.actor().time_zone());
    let mut scope = can.read();
    let request = requests::find(&mut scope, id).await?;
    let all = requests::choices(&mut scope, &request).await?;
    let choice = |grant: &Grant| GrantChoice {
        value: form_value(grant),
        title: title(grant),
        description: grant.description(),
    };
    let first = all.first().map(form_value).unwrap_or_default();
    let now = scope.now();
    let show = RequestPage {
        list: can.path("requests"),
        href: can.path(&format!("requests/{id}")),
        permission: request.permission.key(),
        row: RequestRow::of(request, &can.context().catalog, &zone),
        choices: all.iter().map(choice).collect(),
        chosen: if typed.grant.is_empty() { first } else { typed.grant },
        expires_at: typed.expires_at,
        today: now.date(&page.zone(can.actor().time_zone())),
        errors,
    };
    page.show(&mut scope, "Request for access", show).await
}

fn title(grant: &Grant) -> String {
    use crate::model::grant::GrantScope;
    match &grant.over {
        GrantScope::Account => format!("{} over the whole account", grant.title()),
        GrantScope::Product(_) => grant.title(),
        GrantScope::Resources(_) => format!("{} over this resource alone", grant.title()),
    }
}

async fn grant(
    can: Can<UpdateMembers>,
    page: Page,
    PathId(id): PathId<RequestId>,
    Form(form): Form<GrantForm>,
) -> Result<Response> {
    let zone = page.zone(can.actor().time_zone());
    let apply = async |change: &mut Change<Access>| {
        let request = requests::find(change, id).await?;
        let chosen = requests::choices(change, &request)
            .await?
            .into_iter()
            .find(|choice| form_value(choice) == form.grant);
        let unknown = || Error::invalid("grant", "unknown", "Choose one of these roles.");
        let expires_at = match form.expires_at.trim() {
            "" => None,
            date => Some(Time::end_of_day(date, &zone).ok_or_else(|| {
                Error::invalid("expires_at", "invalid", "Enter a date such as 2026-11-21, or none.")
            })?),
        };
        if expires_at.is_some_and(|time| time <= change.now()) {
            return Err(Error::invalid("expires_at", "in_the_past", "The end lies in the past."));
        }
        let grant = Grant { expires_at, ..chosen.ok_or_else(unknown)? };
        requests::grant(change, id, &grant).await
    };
    match can.change(apply).await {
        Ok(done) => {
            Ok(page.done(&can.path("requests"), format!("{} has it from now on, and is told.", done.name)))
        }
        Err(Error::NotFound) => Ok(already_answered(&can, &page)),
        Err(error) => {
            let (status, errors) = FormErrors::catch(error)?;
            draw(&can, &page.clone().with(status), id, form, errors).await
        }
    }
}

/// Somebody else answered first, or the member left.
fn already_answered(can: &Can<UpdateMembers>, page: &Page) -> Response {
    page.failed(&can.path("requests"), "This request was answered already.")
}

async fn decline(can: Can<UpdateMembers>, page: Page, PathId(id): PathId<RequestId>) -> Result<Response> {
    match can.change(async |change| requests::decline(change, id).await).await {
        Ok(request) => {
            Ok(page.done(&can.path("requests"), format!("Declined, and {} is told.", request.name)))
        }
        Err(Error::NotFound) => Ok(already_answered(&can, &page)),
        Err(Error::Conflict { detail, .. }) => Ok(page.failed(&can.path("requests"), detail)),
        Err(other) => Err(other),
    }
}
