//! All permissions as a table: a row for each kind of thing, a column for each action.
use crate::model::permission::{
    Permission::{self, *},
    Permissions,
};

pub struct PermissionGroup {
    pub title: &'static str,
    pub icon: &'static str,
    pub rows: Vec<PermissionRow>,
}

pub struct PermissionRow {
    pub name: &'static str,
    pub hint: &'static str,
    pub cells: Vec<Option<PermissionCell>>,
}

pub struct PermissionCell {
    pub key: &'static str,
    /// `Members: view`.
    pub label: String,
    pub checked: bool,
    /// Differs from what is saved.
    pub changed: bool,
    /// The editor does not hold it, so they cannot change it.
    pub locked: bool,
}

const COLUMNS: [&str; 5] = ["view", "create", "change", "delete", "use"];
type Things = &'static [(&'static str, &'static str, [Option<Permission>; 5])];

const GROUPS: &[(&str, &str, Things)] = &[
    (
        "Resources, within the scope of the grant",
        "boxes",
        &[
            (
                "Resources",
                "Indexes, videos, sources, integrations",
                [
                    Some(ViewResources),
                    Some(CreateResources),
                    Some(UpdateResources),
                    Some(DeleteResources),
                    Some(RunResources),
                ],
            ),
            ("Insights", "Usage of the scope", [Some(ViewAnalytics), None, None, None, None]),
        ],
    ),
    (
        "People",
        "users",
        &[
            (
                "Members",
                "People and invitations",
                [Some(ViewMembers), Some(InviteMembers), Some(UpdateMembers), Some(RemoveMembers), None],
            ),
            ("Roles", "Custom roles", [None, None, Some(ManageRoles), None, None]),
            ("Teams", "Inside this organization", [None, Some(CreateTeams), None, None, None]),
        ],
    ),
    (
        "Keys and connections",
        "key-round",
        &[
            ("API keys", "Own, or of everyone", [None, Some(OwnKeys), Some(ManageKeys), None, None]),
            ("Single sign-on", "Connection, domains, SCIM", [None, None, Some(ManageSso), None, None]),
            ("Webhooks", "Endpoints and deliveries", [None, None, Some(ManageWebhooks), None, None]),
        ],
    ),
    (
        "Account",
        "credit-card",
        &[
            (
                "Account",
                "Name, settings",
                [Some(ViewAccount), None, Some(UpdateAccount), Some(DeleteAccount), None],
            ),
            ("Billing", "Payment details", [Some(ViewBilling), None, Some(ManageBilling), None, None]),
            ("Invoices", "See and pay", [Some(ViewInvoices), None, None, None, Some(PayInvoices)]),
            ("Plan", "Upgrade and downgrade", [None, None, Some(ChangePlan), None, None]),
            ("Usage", "Of the whole account", [Some(ViewUsage), None, None, None, None]),
            ("Audit log", "All events", [Some(ViewAudit), None, None, None, None]),
        ],
    ),
];

/// `grantable` is what the editor may tick.
pub fn groups(ticked: Permissions, saved: Permissions, grantable: Permissions) -> Vec<PermissionGroup> {
    let cell = |name: &str, column: &str, permission: Permission| PermissionCell {
        key: permission.key(),
        label: format!("{name}: {column}"),
        checked: ticked.has(permission),
        changed: ticked.has(permission) != saved.has(permission),
        locked: !grantable.has(permission),
    };
    let row = |(name, hint, all): &(&'static str, &'static str, [Option<Permission>; 5])| {
        let cells = all
            .iter()
            .zip(COLUMNS)
            .map(|(permission, column)| permission.map(|permission| cell(name, column, permission)));
        PermissionRow { name, hint, cells: cells.collect() }
    };
    let group = |(title, icon, things): &(&'static str, &'static str, Things)| PermissionGroup {
        title,
        icon,
        rows: things.iter().map(row).collect(),
    };
    GROUPS.iter().map(group).collect()
}

/// `Members: view`.
pub fn label(permission: Permission) -> String {
    let mut all = GROUPS.iter().flat_map(|group| group.2);
    let found = all.find_map(|(name, _, cells)| {
        let column = cells.iter().position(|cell| *cell == Some(permission))?;
        Some(format!("{name}: {}", COLUMNS[column]))
    });
    found.unwrap_or_else(|| permission.key().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_permission_but_the_owners_has_its_box() {
        let cells = GROUPS.iter().flat_map(|group| group.2).flat_map(|row| row.2).flatten();
        let mut there: Vec<Permission> = cells.collect();
        there.sort_unstable();
        let all: Vec<Permission> =
            Permission::ALL.iter().copied().filter(|permission| *permission != TransferAccount).collect();
        assert_eq!(there, all);
        assert_eq!(label(RemoveMembers), "Members: delete");
    }
}
