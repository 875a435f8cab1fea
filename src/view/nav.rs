//! Out of what the store knows, the frame of a page: the side bar shows only what the visitor may open.
use super::shell::{Item, Kind, Person, Place, Section, Shell};
use crate::{
    model::{
        access::{self, Entry},
        account,
        catalog::Catalog,
        id::AccountId,
        permission::Permission,
    },
    store::shell::Seat,
};

/// The frame of a page at `path`, in an account perhaps.
pub fn shell(
    person: &access::Person,
    here: Option<&Entry>,
    seats: &[&Seat],
    path: &str,
    catalog: &Catalog,
    limit: u32,
) -> Shell {
    let current = here.map(|it| it.here.id);
    let place = |it: &Seat| seat_place(it, current, catalog);
    let is_top = |kind| move |it: &&&Seat| it.kind == kind;
    let teams_of =
        |id: AccountId| seats.iter().filter(|it| it.parent_id == Some(id)).map(|it| place(it)).collect();
    let listed: Vec<AccountId> = seats.iter().map(|it| it.id).collect();
    let personal = seats.iter().find(is_top(account::Kind::Personal));
    let owned = seats.iter().filter(|it| it.kind == account::Kind::Organization && it.is_owner).count();
    let is_elsewhere = |it: &&&Seat| {
        let parent = it.parent_id.filter(|id| listed.contains(id) && Some(*id) != personal.map(|it| it.id));
        it.kind == account::Kind::Team && parent.is_none()
    };
    Shell {
        user: Person { name: person.name.clone(), email: person.email.clone() },
        here: here.map(|it| Place {
            slug: it.here.slug.clone(),
            name: it.here.name.clone(),
            kind: kind(it.here.kind),
            note: String::new(),
            current: true,
        }),
        installation: here.is_none() && is_installation(path),
        personal: personal.map(|it| place(it)).unwrap_or_default(),
        organizations: seats
            .iter()
            .filter(is_top(account::Kind::Organization))
            .map(|it| (place(it), teams_of(it.id)))
            .collect(),
        teams_elsewhere: seats.iter().filter(is_elsewhere).map(|it| place(it)).collect(),
        people: here.filter(|it| lists_members(it)).map(|it| format!("/a/{}/members", it.here.slug)),
        nav: match here {
            Some(it) => sections(it, seats, path),
            None if is_installation(path) => installation(path),
            None => vec![],
        },
        actions: here.map(actions).unwrap_or_default(),
        invitations: seats.first().map_or(0, |it| it.invitations),
        operator: seats.first().is_some_and(|it| it.operator),
        may_create_team: true,
        may_create_organization: owned < limit as usize,
    }
}

fn is_installation(path: &str) -> bool {
    path == "/operator" || path.starts_with("/operator/")
}

fn installation(path: &str) -> Vec<Section> {
    let item =
        |label, icon, href: &str, current| Item { label, icon, href: href.into(), current, count: None };
    let is_accounts = path == "/operator"
        || ["/operator/accounts", "/operator/invoices"].iter().any(|it| path.starts_with(it));
    let items = vec![
        item("Accounts", "building-2", "/operator", is_accounts),
        item("Service tokens", "key-round", "/operator/tokens", path.starts_with("/operator/tokens")),
    ];
    vec![Section { title: "Installation", items }]
}

fn kind(it: account::Kind) -> Kind {
    match it {
        account::Kind::Personal => Kind::Personal,
        account::Kind::Organization => Kind::Organization,
        account::Kind::Team => Kind::Team,
    }
}

fn seat_place(it: &Seat, current: Option<AccountId>, catalog: &Catalog) -> Place {
    let plan = catalog.plan_name(&it.plan);
    let members =
        if it.member_count == 1 { "1 member".to_owned() } else { format!("{} members", it.member_count) };
    let role = match (&it.role, it.is_owner) {
        (_, true) => "Owner".to_owned(),
        (Some(role), _) => capital(role),
        (None, _) => "Admin".to_owned(),
    };
    let note = match it.kind {
        account::Kind::Personal => plan.to_owned(),
        account::Kind::Organization => format!("{role} · {plan} · {members}"),
        account::Kind::Team => format!("{role} · {members}"),
    };
    let (slug, name) = (it.slug.clone(), it.name.clone());
    Place { slug, name, kind: kind(it.kind), note, current: current == Some(it.id) }
}

fn capital(word: &str) -> String {
    let mut all = word.chars();
    all.next().map(|it| it.to_uppercase().chain(all).collect()).unwrap_or_default()
}

fn lists_members(entry: &Entry) -> bool {
    entry.may(Permission::ViewMembers) && entry.here.kind != account::Kind::Personal
}

fn sections(entry: &Entry, seats: &[&Seat], path: &str) -> Vec<Section> {
    let here = &entry.here;
    let seat = seats.iter().find(|it| it.id == here.id);
    let base = format!("/a/{}", here.slug);
    // The word of the address that says which page this is.
    let word = path.strip_prefix(&base).and_then(|it| it.split('/').nth(1)).unwrap_or_default();
    let item = |label, icon, page: &str, count| {
        let href = [&base, "/", page].concat();
        Item { label, icon, href, current: word == page, count }
    };
    let is_shared = here.kind != account::Kind::Personal;
    let mut first = vec![item("Overview", "house", "overview", None)];
    if lists_members(entry) {
        let mut members = item("Members", "users", "members", seat.map(|it| it.member_count));
        members.current |= ["invitations", "requests"].contains(&word);
        first.push(members);
    }
    if here.kind != account::Kind::Team {
        first.push(item("Teams", "users-round", "teams", seat.map(|it| it.team_count).filter(|it| *it > 0)));
    }
    if is_shared {
        if entry.may(Permission::ViewMembers) || entry.may(Permission::ManageRoles) {
            first.push(item("Roles", "shield", "roles", None));
        }
        first.push(item("Access check", "shield-question", "why", None));
    }
    let mut build = vec![];
    if entry.may(Permission::OwnKeys) || entry.may(Permission::ManageKeys) {
        build.push(item("API keys", "key-round", "keys", None));
    }
    if entry.may(Permission::ViewResources) {
        build.push(item("Resources", "boxes", "resources", None));
    }
    let mut insight = vec![];
    if [Permission::ViewUsage, Permission::ViewAnalytics, Permission::OwnKeys].iter().any(|it| entry.may(*it))
    {
        insight.push(item("Usage", "chart-column", "usage", None));
    }
    if entry.may(Permission::ViewAudit) {
        insight.push(item("Audit log", "scroll-text", "audit", None));
    }
    let mut settings = vec![];
    if entry.may(Permission::ViewInvoices) || entry.may(Permission::ViewBilling) {
        let mut billing = item("Plan & billing", "credit-card", "billing", None);
        billing.current |= word == "invoices";
        settings.push(billing);
    }
    if entry.may(Permission::ManageSso) && here.kind == account::Kind::Organization {
        settings.push(item("Security & SSO", "fingerprint", "sso", None));
    }
    settings.push(item("Settings", "settings", "settings", None));
    let title = match here.kind {
        account::Kind::Personal => "Personal account",
        account::Kind::Organization => "Organization",
        account::Kind::Team => "Team",
    };
    let all = [(title, first), ("Build", build), ("Insight", insight), ("Account", settings)];
    let section = |(title, items)| Section { title, items };
    all.into_iter().filter(|it| !it.1.is_empty()).map(section).collect()
}

fn actions(entry: &Entry) -> Vec<Item> {
    let item = |label, icon, page: &str| Item {
        label,
        icon,
        href: format!("/a/{}/{page}", entry.here.slug),
        current: false,
        count: None,
    };
    let mut all = vec![];
    if entry.may(Permission::InviteMembers) {
        all.push(item("Invite members…", "user-plus", "invitations/new"));
    }
    if entry.may(Permission::OwnKeys) && entry.membership.is_some() {
        all.push(item("Create API key…", "plus", "keys/new"));
    }
    if entry.here.kind != account::Kind::Personal {
        all.push(item("Check why someone has access…", "shield-question", "why"));
    }
    all
}
