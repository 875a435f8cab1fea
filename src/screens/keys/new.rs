//! Creating a key: how long it works, what it may do, and a summary of that.
use crate::{
    error::{Error, FieldError, Result},
    http::{
        form::{Form, Query},
        gate::Can,
        reauth::{ReauthForm, ReauthInput},
    },
    model::{
        access::Access,
        catalog::Plan,
        grant::Grant,
        id::ResourceId,
        permission::{OwnKeys, Permission, Permissions},
        text::{Name, counted},
        time::{DAY, Time},
    },
    store::{Scope, access::EVERYDAY, keys, scopable_resources},
    view::{form_errors::FormErrors, page::Page, when::When},
};
use askama::Template;
use axum::response::Response;
use jiff::tz::TimeZone;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(default)]
pub(super) struct NewKeyForm {
    name: String,
    expires: String,
    date: String,
    /// `all` or `some`.
    what: String,
    perm: Vec<String>,
    resources: Vec<String>,
    find: String,
    /// Set by the button that searches the resources: the key is not to be created yet.
    look: String,
    #[serde(flatten)]
    reauth: ReauthInput,
}
impl Default for NewKeyForm {
    fn default() -> NewKeyForm {
        NewKeyForm {
            name: String::new(),
            expires: "12m".into(),
            date: String::new(),
            what: "all".into(),
            perm: vec![],
            resources: vec![],
            find: String::new(),
            look: String::new(),
            reauth: ReauthInput::default(),
        }
    }
}

impl NewKeyForm {
    /// `None`: all that its owner may, but for the dangerous permissions.
    fn permissions(&self) -> Option<Permissions> {
        let ticked: Vec<Permission> = self.perm.iter().filter_map(|key| Permission::parse(key)).collect();
        (self.what == "some").then(|| Permissions::of(&ticked))
    }
    /// `None`: all.
    fn resources(&self) -> Option<Vec<ResourceId>> {
        let ids: Vec<ResourceId> = self.resources.iter().filter_map(|id| id.parse().ok()).collect();
        (self.what == "some" && !ids.is_empty()).then_some(ids)
    }
    fn ends(&self, now: Time, zone: &TimeZone) -> Result<Option<Time>, FieldError> {
        Ok(Some(match self.expires.as_str() {
            "30d" => now.plus(30 * DAY),
            "90d" => now.plus(90 * DAY),
            "6m" => now.plus_months(6),
            "12m" => now.plus_months(12),
            "never" => return Ok(None),
            "date" => Time::end_of_day(self.date.trim(), zone).ok_or_else(|| {
                FieldError::new("date", "invalid", "Choose the last day on which it works.")
            })?,
            _ => return Err(FieldError::new("expires", "invalid", "Choose how long it works.")),
        }))
    }
}

/// How long a key may work: values of the form, and their labels.
const ENDS: &[(&str, &str)] = &[
    ("30d", "30 days"),
    ("90d", "90 days"),
    ("6m", "6 months"),
    ("12m", "12 months"),
    ("date", "Date"),
    ("never", "Never"),
];

struct PermissionOption {
    key: &'static str,
    description: &'static str,
    checked: bool,
}

struct ResourceOption {
    id: String,
    name: String,
    kind: String,
    selected: bool,
}

#[derive(Template)]
#[template(path = "keys/new.html")]
struct NewKeyPage {
    base: String,
    form: NewKeyForm,
    errors: FormErrors,
    ends: &'static [(&'static str, &'static str)],
    zone: String,
    tomorrow: String,
    /// Permissions that a key has only if they are ticked, after reauthentication.
    dangerous: Vec<PermissionOption>,
    permissions: Vec<PermissionOption>,
    resources: Vec<ResourceOption>,
    more_resources: bool,
    reauth: ReauthForm,
    summary: KeySummary,
}

/// What the key will do, in words.
#[derive(Template)]
#[template(path = "keys/summary.html")]
struct KeySummary {
    account: String,
    all: bool,
    rights: Vec<&'static str>,
    more: usize,
    changes_nothing: bool,
    is_dangerous: bool,
    /// `2 resources`.
    resources: String,
    /// `None`: never.
    ends: Option<When>,
    has_valid_end: bool,
    limits: String,
}

/// How many permissions the summary names.
const NAMED: usize = 8;

impl KeySummary {
    fn of(access: &Access, form: &NewKeyForm, plan: Option<&Plan>, now: Time, zone: &TimeZone) -> KeySummary {
        let permissions = form.permissions();
        let chosen: Vec<Permission> =
            permissions.into_iter().flat_map(|permissions| permissions.iter().collect::<Vec<_>>()).collect();
        let ends = form.ends(now, zone);
        let is_read_only = |permission: &Permission| {
            permission.key().rsplit_once('.').is_some_and(|(_, action)| action == "view")
                || *permission == Permission::RunResources
        };
        let resources = form.resources().map_or(0, |resources| resources.len());
        KeySummary {
            account: access.account.name.clone(),
            all: permissions.is_none(),
            rights: chosen.iter().take(NAMED).map(|permission| permission.description()).collect(),
            more: chosen.len().saturating_sub(NAMED),
            changes_nothing: !chosen.is_empty() && chosen.iter().all(is_read_only),
            is_dangerous: permissions
                .is_some_and(|permissions| permissions.without(EVERYDAY) != Permissions::NONE),
            resources: if resources == 0 {
                String::new()
            } else {
                counted(i64::try_from(resources).unwrap_or(0), "resource")
            },
            has_valid_end: ends.is_ok(),
            ends: ends.ok().flatten().map(|at| When::day(at, zone)),
            limits: plan.map_or_else(String::new, Plan::limits_in_words),
        }
    }
}

pub(super) async fn show(can: Can<OwnKeys>, page: Page) -> Result<Response> {
    show_form(&can, &page, NewKeyForm::default(), FormErrors::default()).await
}

/// The summary beside the form, fetched by the script when a choice changes.
pub(super) async fn summary(
    can: Can<OwnKeys>,
    page: Page,
    Query(form): Query<NewKeyForm>,
) -> Result<Response> {
    let html = summarize(&can, &page, &form).render().map_err(|error| Error::Internal(error.to_string()))?;
    Ok(page.whole("", |_| html))
}

fn summarize(can: &Can<OwnKeys>, page: &Page, form: &NewKeyForm) -> KeySummary {
    let (access, context) = (can.access(), can.context());
    let plan = context.catalog.plan(&access.account.plan);
    KeySummary::of(access, form, plan, context.now(), &page.zone(can.actor().time_zone()))
}

async fn show_form(
    can: &Can<OwnKeys>,
    page: &Page,
    form: NewKeyForm,
    errors: FormErrors,
) -> Result<Response> {
    let access = can.access();
    let zone = page.zone(can.actor().time_zone());
    // Asked for only if a permission needs it.
    let may_be_dangerous =
        Permission::ALL.iter().any(|permission| !EVERYDAY.has(*permission) && access.may(*permission));
    let reauth = if may_be_dangerous { can.reauth_form().await? } else { ReauthForm::default() };
    let mut scope = can.read();
    let (resources, more_resources) = resource_options(&mut scope, &form).await?;
    let (dangerous, permissions) = permission_options(access, &form).into_iter().partition(|option| {
        Permission::parse(option.key).is_some_and(|permission| !EVERYDAY.has(permission))
    });
    let new_key_page = NewKeyPage {
        base: can.path("keys"),
        ends: ENDS,
        zone: zone.iana_name().unwrap_or("UTC").to_owned(),
        tomorrow: can.context().now().plus(DAY).date(&zone),
        dangerous,
        permissions,
        resources,
        more_resources,
        reauth,
        summary: summarize(can, page, &form),
        form,
        errors,
    };
    page.show(&mut scope, "Create API key", new_key_page).await
}

/// What the owner may do: resources first, because most keys are for them.
fn permission_options(access: &Access, form: &NewKeyForm) -> Vec<PermissionOption> {
    let mut permissions: Vec<Permission> =
        Permission::ALL.iter().copied().filter(|permission| access.may(*permission)).collect();
    permissions.sort_by_key(|permission| !permission.is_of_resources());
    let option = |permission: Permission| PermissionOption {
        key: permission.key(),
        description: permission.description(),
        checked: form.perm.iter().any(|key| key == permission.key()),
    };
    permissions.into_iter().map(option).collect()
}

async fn resource_options(
    scope: &mut Scope<Access>,
    form: &NewKeyForm,
) -> Result<(Vec<ResourceOption>, bool)> {
    let chosen: Vec<uuid::Uuid> = form.resources.iter().filter_map(|id| id.parse().ok()).collect();
    let catalog = scope.context().catalog.clone();
    let mut sources = scopable_resources::any(scope, &form.find, &chosen).await?;
    let more = sources.len() > scopable_resources::MOST;
    sources.truncate(scopable_resources::MOST);
    let option = |source: scopable_resources::ScopableResource| ResourceOption {
        selected: chosen.contains(&source.id.0),
        kind: catalog.kind_name(&source.kind).to_owned(),
        name: source.name,
        id: source.id.to_string(),
    };
    Ok((sources.into_iter().map(option).collect(), more))
}

#[derive(Template)]
#[template(path = "keys/created.html")]
pub(super) struct KeyCreatedPage {
    pub base: String,
    pub name: String,
    pub secret: String,
    pub roles: Vec<String>,
    pub rights: String,
    pub expires: Option<When>,
    pub limits: String,
    pub call: String,
    /// Until when the key that it replaces still works.
    pub old: Option<When>,
}

impl KeyCreatedPage {
    /// The response to the form itself: the secret is stored nowhere, so no other page could show it.
    pub(super) async fn show(
        can: &Can<OwnKeys>,
        page: &Page,
        key: &keys::Key,
        secret: String,
        old: Option<When>,
    ) -> Result<Response> {
        let (access, zone) = (can.access(), page.zone(can.actor().time_zone()));
        let plan = can.context().catalog.plan(&access.account.plan);
        let created = KeyCreatedPage {
            base: can.path("keys"),
            name: key.name.clone(),
            secret,
            roles: access.rights.grants.iter().map(Grant::title).collect(),
            rights: super::rights_in_words(key, true).join(", "),
            expires: key.expires_at.map(|at| When::minute(at, &zone)),
            limits: plan.map_or_else(String::new, Plan::limits_in_words),
            call: can.context().url(&format!("/api/v1/accounts/{}", access.account.slug)),
            old,
        };
        page.show(&mut can.read(), "API key created", created).await
    }
}

pub(super) async fn create(can: Can<OwnKeys>, page: Page, Form(form): Form<NewKeyForm>) -> Result<Response> {
    if !form.look.is_empty() {
        return show_form(&can, &page, form, FormErrors::default()).await;
    }
    let zone = page.zone(can.actor().time_zone());
    match create_key(&can, &form, &zone).await {
        Ok((key, secret)) => KeyCreatedPage::show(&can, &page, &key, secret, None).await,
        Err(error) => {
            let (status, errors) = FormErrors::catch(error)?;
            show_form(&can, &page.with(status), form, errors).await
        }
    }
}

async fn create_key(can: &Can<OwnKeys>, form: &NewKeyForm, zone: &TimeZone) -> Result<(keys::Key, String)> {
    let mut errors = vec![];
    let name = Name::parse(&form.name)
        .map_err(|error| errors.push(FieldError::new("name", error.code, error.detail)))
        .ok();
    let expires_at = form.ends(can.context().now(), zone).unwrap_or_else(|error| {
        errors.push(error);
        None
    });
    let permissions = form.permissions();
    if permissions == Some(Permissions::NONE) {
        errors.push(FieldError::new("permissions", "required", "Choose at least one permission."));
    }
    let Some(name) = name.filter(|_| errors.is_empty()) else { return Err(Error::Validation(errors)) };
    if let Some(missing) =
        permissions.into_iter().flat_map(Permissions::iter).find(|permission| !can.access().may(*permission))
    {
        return Err(Error::MissingPermission(missing));
    }
    let is_dangerous =
        permissions.is_some_and(|permissions| permissions.without(EVERYDAY) != Permissions::NONE);
    let reauth = if is_dangerous { Some(can.reauthenticate(&form.reauth).await?) } else { None };
    let new = keys::NewKey { name: &name, expires_at, permissions, resources: form.resources() };
    let made = can
        .change(async |change| {
            let (id, secret) = keys::create(change, &new, reauth.as_ref()).await?;
            Ok((keys::find(change, id).await?, secret))
        })
        .await;
    // The form's field has another name than the API's.
    made.map_err(|error| match error {
        Error::Validation(errors) => Error::Validation(
            errors
                .into_iter()
                .map(|error| {
                    if error.field == "expires_at" {
                        FieldError { field: "date".into(), ..error }
                    } else {
                        error
                    }
                })
                .collect(),
        ),
        other => other,
    })
}
