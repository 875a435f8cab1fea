//! All permissions as a table: rows are things, columns what is done to them.
use crate::model::permission::{
    Permission::{self, *},
    Permissions,
};

/// A heading with its rows.
pub struct Group {
    pub title: &'static str,
    pub icon: &'static str,
    pub rows: Vec<Row>,
}

/// A thing, with a cell for each column.
pub struct Row {
    pub name: &'static str,
    pub hint: &'static str,
    pub cells: Vec<Option<Cell>>,
}

/// One permission.
pub struct Cell {
    pub key: &'static str,
    /// `Members: view`.
    pub label: String,
    pub checked: bool,
    /// Not as it is saved.
    pub changed: bool,
    /// Its editor does not hold it.
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

/// With what is ticked, what is saved, and what its editor may tick.
pub fn groups(ticked: Permissions, saved: Permissions, open: Permissions) -> Vec<Group> {
    let cell = |name: &str, column: &str, it: Permission| Cell {
        key: it.key(),
        label: format!("{name}: {column}"),
        checked: ticked.has(it),
        changed: ticked.has(it) != saved.has(it),
        locked: !open.has(it),
    };
    let row = |(name, hint, all): &(&'static str, &'static str, [Option<Permission>; 5])| {
        let cells = all.iter().zip(COLUMNS).map(|(it, column)| it.map(|it| cell(name, column, it)));
        Row { name, hint, cells: cells.collect() }
    };
    let group = |(title, icon, things): &(&'static str, &'static str, Things)| Group {
        title,
        icon,
        rows: things.iter().map(row).collect(),
    };
    GROUPS.iter().map(group).collect()
}

/// `Members: view`.
pub fn label(it: Permission) -> String {
    let mut all = GROUPS.iter().flat_map(|it| it.2);
    let found = all.find_map(|(name, _, cells)| {
        let at = cells.iter().position(|cell| *cell == Some(it))?;
        Some(format!("{name}: {}", COLUMNS[at]))
    });
    found.unwrap_or_else(|| it.key().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_permission_but_the_owners_has_its_box() {
        let cells = GROUPS.iter().flat_map(|it| it.2).flat_map(|it| it.2).flatten();
        let mut there: Vec<Permission> = cells.collect();
        there.sort_unstable();
        let all: Vec<Permission> =
            Permission::ALL.iter().copied().filter(|it| *it != TransferAccount).collect();
        assert_eq!(there, all);
        assert_eq!(label(RemoveMembers), "Members: delete");
    }
}
