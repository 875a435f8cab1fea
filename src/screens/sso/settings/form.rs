//! The form of the connection. Roles by group are typed as lines: `developers = video-developer, member`.
use crate::{
    error::{Error, FieldError, Result},
    http::reauth::ReauthInput,
    model::{
        grant::{Grant, GrantScope, Role},
        role::BuiltIn,
        text::shorten,
    },
    store::{
        grants::GrantRequest,
        roles,
        sso::{self, Connection},
    },
    view::role_picker::{self, KeptGrant},
};
use jiff::tz::TimeZone;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct ConnectionForm {
    pub issuer: String,
    pub client_id: String,
    pub client_secret: String,
    pub groups_claim: String,
    pub groups: String,
    /// The ids (`keep_id`) of grants that lines cannot express and that stay.
    keep_group: Vec<String>,
    role: Vec<String>,
    product: Vec<String>,
    keep: Vec<String>,
    listed_role: Vec<String>,
    listed: Vec<String>,
    listed_new: String,
    #[serde(flatten)]
    pub reauth: ReauthInput,
}

/// Whether a line can express the whole grant.
fn fits_line(grant: &Grant) -> bool {
    let is_plain_name = |name: &str| !name.contains([',', '=']) && BuiltIn::parse(name).is_none();
    let fits = match (&grant.role, &grant.over) {
        (_, GrantScope::Resources(_)) => false,
        (Role::BuiltIn(_), _) => true,
        (Role::Custom(_, name), over) => *over == GrantScope::Account && is_plain_name(name.trim()),
    };
    fits && grant.expires_at.is_none()
}

/// `developers = video-developer, member`; `None` if no grant of the group fits a line.
fn line((group, grants): (&String, &Vec<Grant>)) -> Option<String> {
    let labels: Vec<String> = grants.iter().filter(|grant| fits_line(grant)).map(Grant::label).collect();
    (!labels.is_empty()).then(|| format!("{group} = {}", labels.join(", ")))
}

/// The grants that lines cannot express, with their groups.
fn beyond_lines(connection: &Connection) -> impl Iterator<Item = (&String, Grant)> {
    connection.group_grants.iter().flat_map(|(group, grants)| {
        sso::with_form_ids(grants)
            .into_iter()
            .filter(|grant| !fits_line(grant))
            .map(move |grant| (group, grant))
    })
}

fn keep_id(group: &str, grant: &Grant) -> String {
    format!("{}:{group}", grant.id.map(|id| id.to_string()).unwrap_or_default())
}

fn title(group: &str, grant: &Grant, zone: &TimeZone) -> String {
    let over = match (&grant.role, &grant.over) {
        (Role::BuiltIn(_), GrantScope::Resources(resources)) if resources.len() == 1 => {
            " over 1 resource".to_owned()
        }
        (Role::BuiltIn(_), GrantScope::Resources(resources)) => {
            format!(" over {} resources", resources.len())
        }
        _ => String::new(),
    };
    let until = grant.expires_at.map(|time| format!(" until {}", time.date(zone))).unwrap_or_default();
    format!("{}{over}{until} for {group}", grant.title())
}

/// Grants that were set through the API and that lines cannot express: each stays unless it is unticked.
pub(super) fn kept_grants(
    connection: &Connection,
    form: Option<&ConnectionForm>,
    zone: &TimeZone,
) -> Vec<KeptGrant> {
    let kept_grant = |(group, grant): (&String, Grant)| {
        let id = keep_id(group, &grant);
        let checked = form.is_none_or(|form| form.keep_group.contains(&id));
        KeptGrant { title: title(group, &grant, zone), id, checked }
    };
    beyond_lines(connection).map(kept_grant).collect()
}

impl ConnectionForm {
    pub fn of(connection: Option<&Connection>) -> ConnectionForm {
        let Some(connection) = connection else {
            return ConnectionForm { groups_claim: "groups".into(), ..ConnectionForm::default() };
        };
        ConnectionForm {
            issuer: connection.issuer.clone(),
            client_id: connection.client_id.clone(),
            groups_claim: connection.groups_claim.clone(),
            groups: connection.group_grants.iter().filter_map(line).collect::<Vec<_>>().join("\n"),
            ..ConnectionForm::default()
        }
    }
    /// The roles of new members.
    pub fn roles(&self) -> role_picker::RolePickerForm {
        let ConnectionForm { role, product, keep, listed_role, listed, listed_new, .. } = self.clone();
        role_picker::RolePickerForm {
            role,
            product,
            keep,
            listed_role,
            listed,
            listed_new,
            find: String::new(),
        }
    }
    /// The grants of each group: those of its lines, and the ticked ones that lines cannot express. A custom role is written by its
    /// name.
    pub fn by_group(
        &self,
        current: Option<&Connection>,
        custom: &[roles::Role],
    ) -> Result<BTreeMap<String, Vec<GrantRequest>>> {
        let mut grants_of: BTreeMap<String, Vec<GrantRequest>> = BTreeMap::new();
        for line in self.groups.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let parts = line.rsplit_once('=').map(|(group, roles)| (group.trim(), roles.trim()));
            let Some((group, roles)) = parts.filter(|(group, roles)| !group.is_empty() && !roles.is_empty())
            else {
                let detail = format!("“{}” is not of the form: group = role, role.", shorten(line, 60));
                return Err(Error::Validation(vec![FieldError::new("groups", "invalid", detail)]));
            };
            let requests = roles.split(',').map(str::trim).filter(|word| !word.is_empty()).map(|word| {
                let id = custom.iter().find(|role| role.name == word).map(|role| role.id.to_string());
                GrantRequest { role: id.unwrap_or_else(|| word.to_owned()), scope: None, expires_at: None }
            });
            grants_of.entry(group.to_owned()).or_default().extend(requests);
        }
        let mut kept = 0;
        for (group, grant) in current.into_iter().flat_map(beyond_lines) {
            if self.keep_group.contains(&keep_id(group, &grant)) {
                kept += 1;
                grants_of.entry(group.clone()).or_default().push(sso::as_request(&grant));
            }
        }
        if kept < self.keep_group.len() {
            let detail = "The roles were changed by somebody else in the meantime. Look again, then save.";
            return Err(Error::conflict("changed_meanwhile", detail));
        }
        Ok(grants_of)
    }
}
