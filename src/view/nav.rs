//! The navigation of a page. The side bar shows only pages that the user may open.
use super::shell::{AvatarShape, NavItem, NavSection, Shell, ShellUser, SwitcherAccount};
use crate::{
    model::{
        access::Access, account, actor::UserSummary, catalog::Catalog, id::AccountId, permission::Permission,
    },
    store::shell::SwitcherRow,
};

/// `access`: of the account that the page belongs to, if any.
pub fn shell(
    user: Option<&UserSummary>,
    access: Option<&Access>,
    rows: &[&SwitcherRow],
    path: &str,
    catalog: &Catalog,
    max_organizations: u32,
) -> Shell {
    let current_id = access.map(|access| access.account.id);
    let account_of = |row: &SwitcherRow| switcher_account(row, current_id, catalog);
    let is_top = |kind| move |row: &&&SwitcherRow| row.kind == kind;
    let teams_of = |id: AccountId| {
        rows.iter().filter(|row| row.parent_id == Some(id)).map(|row| account_of(row)).collect()
    };
    let listed: Vec<AccountId> = rows.iter().map(|row| row.id).collect();
    let personal = rows.iter().find(is_top(account::Kind::Personal));
    let owned = rows.iter().filter(|row| row.kind == account::Kind::Organization && row.is_owner).count();
    let is_elsewhere = |row: &&&SwitcherRow| {
        let parent =
            row.parent_id.filter(|id| listed.contains(id) && Some(*id) != personal.map(|row| row.id));
        row.kind == account::Kind::Team && parent.is_none()
    };
    Shell {
        user: user
            .map(|user| ShellUser { name: user.name.clone(), email: user.email.clone() })
            .unwrap_or_default(),
        current: access.map(|access| SwitcherAccount {
            slug: access.account.slug.clone(),
            name: access.account.name.clone(),
            shape: shape(access.account.kind),
            note: String::new(),
            current: true,
        }),
        installation: access.is_none() && is_installation(path),
        personal: personal.map(|row| account_of(row)).unwrap_or_default(),
        organizations: rows
            .iter()
            .filter(is_top(account::Kind::Organization))
            .map(|row| (account_of(row), teams_of(row.id)))
            .collect(),
        teams_elsewhere: rows.iter().filter(is_elsewhere).map(|row| account_of(row)).collect(),
        people: access
            .filter(|access| lists_members(access))
            .map(|access| format!("/a/{}/members", access.account.slug)),
        nav: match access {
            Some(access) => sections(access, rows, path),
            None if is_installation(path) => installation(path),
            None => vec![],
        },
        actions: access.map(actions).unwrap_or_default(),
        invitations: rows.first().map_or(0, |row| row.invitations),
        operator: rows.first().is_some_and(|row| row.operator),
        may_create_team: true,
        may_create_organization: owned < max_organizations as usize,
    }
}

fn is_installation(path: &str) -> bool {
    path == "/operator" || path.starts_with("/operator/")
}

fn installation(path: &str) -> Vec<NavSection> {
    let item =
        |label, icon, href: &str, current| NavItem { label, icon, href: href.into(), current, count: None };
    let is_accounts = path == "/operator"
        || ["/operator/accounts", "/operator/invoices"].iter().any(|prefix| path.starts_with(prefix));
    let items = vec![
        item("Accounts", "building-2", "/operator", is_accounts),
        item("Service tokens", "key-round", "/operator/tokens", path.starts_with("/operator/tokens")),
    ];
    vec![NavSection { title: "Installation", items }]
}

fn shape(kind: account::Kind) -> AvatarShape {
    match kind {
        account::Kind::Personal => AvatarShape::Personal,
        account::Kind::Organization => AvatarShape::Organization,
        account::Kind::Team => AvatarShape::Team,
    }
}

fn switcher_account(row: &SwitcherRow, current: Option<AccountId>, catalog: &Catalog) -> SwitcherAccount {
    let plan = catalog.plan_name(&row.plan);
    let members =
        if row.member_count == 1 { "1 member".to_owned() } else { format!("{} members", row.member_count) };
    let role = match (&row.role, row.is_owner) {
        (_, true) => "Owner".to_owned(),
        (Some(role), _) => capitalized(role),
        (None, _) => "Admin".to_owned(),
    };
    let note = match row.kind {
        account::Kind::Personal => plan.to_owned(),
        account::Kind::Organization => format!("{role} · {plan} · {members}"),
        account::Kind::Team => format!("{role} · {members}"),
    };
    let (slug, name) = (row.slug.clone(), row.name.clone());
    SwitcherAccount { slug, name, shape: shape(row.kind), note, current: current == Some(row.id) }
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn lists_members(access: &Access) -> bool {
    access.may(Permission::ViewMembers) && access.account.kind != account::Kind::Personal
}

fn sections(access: &Access, rows: &[&SwitcherRow], path: &str) -> Vec<NavSection> {
    let account = &access.account;
    let row = rows.iter().find(|row| row.id == account.id);
    let base = format!("/a/{}", account.slug);
    // `/a/{slug}/{page}/…`
    let page_name = path.strip_prefix(&base).and_then(|rest| rest.split('/').nth(1)).unwrap_or_default();
    let item = |label, icon, page: &str, count| {
        let href = [&base, "/", page].concat();
        NavItem { label, icon, href, current: page_name == page, count }
    };
    let is_shared = account.kind != account::Kind::Personal;
    let mut first = vec![item("Overview", "house", "overview", None)];
    if lists_members(access) {
        let mut members = item("Members", "users", "members", row.map(|row| row.member_count));
        members.current |= ["invitations", "requests"].contains(&page_name);
        first.push(members);
    }
    if account.kind != account::Kind::Team {
        first.push(item(
            "Teams",
            "users-round",
            "teams",
            row.map(|row| row.team_count).filter(|count| *count > 0),
        ));
    }
    if is_shared {
        if access.may(Permission::ViewMembers) || access.may(Permission::ManageRoles) {
            first.push(item("Roles", "shield", "roles", None));
        }
        first.push(item("Access check", "shield-question", "why", None));
    }
    let mut build = vec![];
    if access.may(Permission::OwnKeys) || access.may(Permission::ManageKeys) {
        build.push(item("API keys", "key-round", "keys", None));
    }
    if access.may(Permission::ViewResources) {
        build.push(item("Resources", "boxes", "resources", None));
    }
    let mut insight = vec![];
    if [Permission::ViewUsage, Permission::ViewAnalytics, Permission::OwnKeys]
        .iter()
        .any(|permission| access.may(*permission))
    {
        insight.push(item("Usage", "chart-column", "usage", None));
    }
    if access.may(Permission::ViewAudit) {
        insight.push(item("Audit log", "scroll-text", "audit", None));
    }
    let mut settings = vec![];
    if access.may(Permission::ViewInvoices) || access.may(Permission::ViewBilling) {
        let mut billing = item("Plan & billing", "credit-card", "billing", None);
        billing.current |= page_name == "invoices";
        settings.push(billing);
    }
    if access.may(Permission::ManageSso) && account.kind == account::Kind::Organization {
        settings.push(item("Security & SSO", "fingerprint", "sso", None));
    }
    settings.push(item("Settings", "settings", "settings", None));
    let title = match account.kind {
        account::Kind::Personal => "Personal account",
        account::Kind::Organization => "Organization",
        account::Kind::Team => "Team",
    };
    let entries = [(title, first), ("Build", build), ("Insight", insight), ("Account", settings)];
    let section = |(title, items)| NavSection { title, items };
    entries.into_iter().filter(|section| !section.1.is_empty()).map(section).collect()
}

fn actions(access: &Access) -> Vec<NavItem> {
    let item = |label, icon, page: &str| NavItem {
        label,
        icon,
        href: format!("/a/{}/{page}", access.account.slug),
        current: false,
        count: None,
    };
    let mut entries = vec![];
    if access.may(Permission::InviteMembers) {
        entries.push(item("Invite members…", "user-plus", "invitations/new"));
    }
    if access.may(Permission::OwnKeys) && access.membership.is_some() {
        entries.push(item("Create API key…", "plus", "keys/new"));
    }
    if access.account.kind != account::Kind::Personal {
        entries.push(item("Check why someone has access…", "shield-question", "why"));
    }
    entries
}
