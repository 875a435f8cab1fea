//! What the form of the connection asks for, and how it says who gets which role by which group.
use crate::{
    error::{Error, Fault, Result},
    http::reauth::Given,
    model::{
        grant::{Grant, Over, Role},
        role::BuiltIn,
        text::shorten,
    },
    store::{
        grants::Wanted,
        roles,
        sso::{self, Connection},
    },
    view::role_picker::{self, Kept},
};
use jiff::tz::TimeZone;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    pub issuer: String,
    pub client_id: String,
    pub client_secret: String,
    pub groups_claim: String,
    pub groups: String,
    /// What lines cannot say and stays, by `place`.
    keep_group: Vec<String>,
    role: Vec<String>,
    product: Vec<String>,
    keep: Vec<String>,
    listed_role: Vec<String>,
    listed: Vec<String>,
    listed_new: String,
    #[serde(flatten)]
    pub proof: Given,
}

/// Whether a line says all of it.
fn is_said(it: &Grant) -> bool {
    let is_word = |name: &str| !name.contains([',', '=']) && BuiltIn::parse(name).is_none();
    let says = match (&it.role, &it.over) {
        (_, Over::Resources(_)) => false,
        (Role::BuiltIn(_), _) => true,
        (Role::Custom(_, name), over) => *over == Over::Account && is_word(name.trim()),
    };
    says && it.expires_at.is_none()
}

/// `developers = video-developer, member`, a line for each group that has something to say.
fn line((group, grants): (&String, &Vec<Grant>)) -> Option<String> {
    let labels: Vec<String> = grants.iter().filter(|it| is_said(it)).map(Grant::label).collect();
    (!labels.is_empty()).then(|| format!("{group} = {}", labels.join(", ")))
}

/// What lines cannot say, by group.
fn unsaid(connection: &Connection) -> impl Iterator<Item = (&String, Grant)> {
    connection.group_grants.iter().flat_map(|(group, grants)| {
        sso::named(grants).into_iter().filter(|it| !is_said(it)).map(move |it| (group, it))
    })
}

/// Under which name it is kept.
fn place(group: &str, it: &Grant) -> String {
    format!("{}:{group}", it.id.map(|it| it.to_string()).unwrap_or_default())
}

/// What is shown of it.
fn title(group: &str, it: &Grant, zone: &TimeZone) -> String {
    let over = match (&it.role, &it.over) {
        (Role::BuiltIn(_), Over::Resources(all)) if all.len() == 1 => " over 1 resource".to_owned(),
        (Role::BuiltIn(_), Over::Resources(all)) => format!(" over {} resources", all.len()),
        _ => String::new(),
    };
    let until = it.expires_at.map(|it| format!(" until {}", it.date(zone))).unwrap_or_default();
    format!("{}{over}{until} for {group}", it.title())
}

/// What a program gave groups and lines cannot say: it stays unless it is unticked.
pub(super) fn kept(connection: &Connection, typed: Option<&Typed>, zone: &TimeZone) -> Vec<Kept> {
    let kept = |(group, it): (&String, Grant)| {
        let id = place(group, &it);
        let checked = typed.is_none_or(|typed| typed.keep_group.contains(&id));
        Kept { title: title(group, &it, zone), id, checked }
    };
    unsaid(connection).map(kept).collect()
}

impl Typed {
    pub fn of(it: Option<&Connection>) -> Typed {
        let Some(it) = it else { return Typed { groups_claim: "groups".into(), ..Typed::default() } };
        Typed {
            issuer: it.issuer.clone(),
            client_id: it.client_id.clone(),
            groups_claim: it.groups_claim.clone(),
            groups: it.group_grants.iter().filter_map(line).collect::<Vec<_>>().join("\n"),
            ..Typed::default()
        }
    }
    /// What somebody new gets.
    pub fn roles(&self) -> role_picker::Typed {
        let Typed { role, product, keep, listed_role, listed, listed_new, .. } = self.clone();
        role_picker::Typed { role, product, keep, listed_role, listed, listed_new, find: String::new() }
    }
    /// The groups, by their lines, with what stays of what lines cannot say. Custom roles are called by their names.
    pub fn by_group(
        &self,
        before: Option<&Connection>,
        custom: &[roles::Role],
    ) -> Result<BTreeMap<String, Vec<Wanted>>> {
        let mut all: BTreeMap<String, Vec<Wanted>> = BTreeMap::new();
        for it in self.groups.lines().map(str::trim).filter(|it| !it.is_empty()) {
            let parts = it.rsplit_once('=').map(|(group, roles)| (group.trim(), roles.trim()));
            let Some((group, words)) = parts.filter(|(group, roles)| !group.is_empty() && !roles.is_empty())
            else {
                let detail = format!("“{}” is not of the form: group = role, role.", shorten(it, 60));
                return Err(Error::Invalid(vec![Fault::new("groups", "invalid", detail)]));
            };
            let wanted = words.split(',').map(str::trim).filter(|it| !it.is_empty()).map(|word| {
                let id = custom.iter().find(|it| it.name == word).map(|it| it.id.to_string());
                Wanted { role: id.unwrap_or_else(|| word.to_owned()), scope: None, expires_at: None }
            });
            all.entry(group.to_owned()).or_default().extend(wanted);
        }
        let mut kept = 0;
        for (group, it) in before.into_iter().flat_map(unsaid) {
            if self.keep_group.contains(&place(group, &it)) {
                kept += 1;
                all.entry(group.clone()).or_default().push(sso::wanted(&it));
            }
        }
        if kept < self.keep_group.len() {
            let detail = "The roles were changed by somebody else in the meantime. Look again, then save.";
            return Err(Error::conflict("changed_meanwhile", detail));
        }
        Ok(all)
    }
}
