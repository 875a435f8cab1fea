//! Built-in roles: named sets of permissions. Custom roles have rows of their own.
use super::permission::{
    Permission::{self, *},
    Permissions,
};

/// A role that every account has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BuiltIn {
    /// Everything. Held by exactly one member, and never granted.
    Owner,
    /// Everything but handing the account over; deleting it if the account's policy says so.
    Admin,
    /// Shared resources and own API keys.
    Member,
    /// The whole billing panel.
    Accountant,
    /// Create, change, delete and use resources.
    Developer,
    /// Usage and insights.
    Analyst,
    /// Developer and analyst together.
    ProductAdmin,
    /// Chosen resources, and nothing else.
    SourceSpecific,
    /// Product admin over all products, who also sees and pays invoices.
    ProductAdminAll,
}

/// How wide a role may be granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaches {
    /// Over the whole account alone.
    Account,
    /// Over the account, or one product of it.
    Products,
    /// Over listed resources alone.
    Resources,
    /// Over any of them (custom roles).
    Anything,
}

const BILLING: &[Permission] = &[ViewAccount, ViewBilling, ManageBilling, ViewInvoices, PayInvoices];
const DEVELOPER: &[Permission] =
    &[ViewAccount, ViewResources, CreateResources, DeleteResources, UpdateResources, RunResources];
const ANALYST: &[Permission] = &[ViewAccount, ViewResources, ViewAnalytics];

impl BuiltIn {
    /// Those that can be granted, in the order in which they are offered.
    pub const GRANTABLE: &[BuiltIn] = &[
        BuiltIn::Admin,
        BuiltIn::Member,
        BuiltIn::Accountant,
        BuiltIn::Developer,
        BuiltIn::Analyst,
        BuiltIn::ProductAdmin,
        BuiltIn::SourceSpecific,
        BuiltIn::ProductAdminAll,
    ];

    /// Its id in the API.
    pub const fn word(self) -> &'static str {
        match self {
            BuiltIn::Owner => "owner",
            BuiltIn::Admin => "admin",
            BuiltIn::Member => "member",
            BuiltIn::Accountant => "accountant",
            BuiltIn::Developer => "developer",
            BuiltIn::Analyst => "analyst",
            BuiltIn::ProductAdmin => "product-admin",
            BuiltIn::SourceSpecific => "source-specific",
            BuiltIn::ProductAdminAll => "product-admin-all",
        }
    }
    /// By its id in the API.
    pub fn parse(word: &str) -> Option<BuiltIn> {
        std::iter::once(BuiltIn::Owner).chain(BuiltIn::GRANTABLE.iter().copied()).find(|it| it.word() == word)
    }
    /// As people say it.
    pub const fn title(self) -> &'static str {
        match self {
            BuiltIn::Owner => "Owner",
            BuiltIn::Admin => "Admin",
            BuiltIn::Member => "Member",
            BuiltIn::Accountant => "Accountant",
            BuiltIn::Developer => "Developer",
            BuiltIn::Analyst => "Analyst",
            BuiltIn::ProductAdmin => "Product admin",
            BuiltIn::SourceSpecific => "Source-specific",
            BuiltIn::ProductAdminAll => "Product admin, all products",
        }
    }
    /// What it gives, in a sentence.
    pub const fn says(self) -> &'static str {
        match self {
            BuiltIn::Owner => "Everything, and the one who can hand the account over.",
            BuiltIn::Admin => "Everything but ownership: members, roles, plan, bills, usage and settings.",
            BuiltIn::Member => "Shared resources, own API keys, and new teams.",
            BuiltIn::Accountant => {
                "The billing panel: details, invoices and payment. No resources, no members."
            }
            BuiltIn::Developer => "Create, change, delete and use resources.",
            BuiltIn::Analyst => "See resources, their usage and insights.",
            BuiltIn::ProductAdmin => "Developer and analyst together.",
            BuiltIn::SourceSpecific => {
                "Chosen resources only: use and change them, see their usage and insights."
            }
            BuiltIn::ProductAdminAll => "Developer and analyst over all products; sees and pays invoices.",
        }
    }
    /// How wide it may be granted.
    pub const fn reaches(self) -> Reaches {
        match self {
            BuiltIn::Developer | BuiltIn::Analyst | BuiltIn::ProductAdmin => Reaches::Products,
            BuiltIn::SourceSpecific => Reaches::Resources,
            _ => Reaches::Account,
        }
    }
    /// What it allows. Whether an admin may delete the account is the account's own policy.
    pub const fn permissions(self, admins_may_delete: bool) -> Permissions {
        match self {
            BuiltIn::Owner => Permissions::ALL,
            BuiltIn::Admin if admins_may_delete => {
                Permissions::ALL.without(Permissions::of(&[TransferAccount]))
            }
            BuiltIn::Admin => Permissions::ALL.without(Permissions::of(&[TransferAccount, DeleteAccount])),
            BuiltIn::Member => Permissions::of(&[CreateTeams, OwnKeys]).or(Permissions::of(DEVELOPER)),
            BuiltIn::Accountant => Permissions::of(BILLING),
            BuiltIn::Developer => Permissions::of(DEVELOPER),
            BuiltIn::Analyst => Permissions::of(ANALYST),
            BuiltIn::ProductAdmin => Permissions::of(DEVELOPER).or(Permissions::of(ANALYST)),
            BuiltIn::SourceSpecific => {
                Permissions::of(&[ViewAccount, ViewResources, UpdateResources, RunResources, ViewAnalytics])
            }
            BuiltIn::ProductAdminAll => Permissions::of(DEVELOPER)
                .or(Permissions::of(ANALYST))
                .or(Permissions::of(&[ViewInvoices, PayInvoices])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of the documentation, row by row: owner, admin (policy on), member, accountant, developer, analyst,
    /// product-admin, source-specific.
    const TABLE: &str = "
        account.view     xxxxxxxx
        account.update   xx......
        account.delete   xx......
        account.transfer x.......
        members.view     xx......
        members.invite   xx......
        members.update   xx......
        members.remove   xx......
        roles.manage     xx......
        teams.create     xxx.....
        keys.own         xxx.....
        keys.manage      xx......
        plan.change      xx......
        billing.view     xx.x....
        billing.manage   xx.x....
        invoices.view    xx.x....
        invoices.pay     xx.x....
        usage.view       xx......
        audit.view       xx......
        sso.manage       xx......
        webhooks.manage  xx......
        resources.view   xxx.xxxx
        resources.create xxx.x.x.
        resources.delete xxx.x.x.
        resources.update xxx.x.xx
        resources.run    xxx.x.xx
        analytics.view   xx...xxx";

    #[test]
    fn built_in_roles_hold_what_the_table_says() {
        use BuiltIn::*;
        let roles = [Owner, Admin, Member, Accountant, Developer, Analyst, ProductAdmin, SourceSpecific];
        let rows: Vec<&str> = TABLE.split_whitespace().collect();
        assert_eq!(rows.len(), 2 * Permission::ALL.len());
        for row in rows.chunks(2) {
            let permission = Permission::parse(row[0]).expect(row[0]);
            for (role, mark) in roles.iter().zip(row[1].chars()) {
                assert_eq!(role.permissions(true).has(permission), mark == 'x', "{role:?} {}", row[0]);
            }
        }
        assert!(!Admin.permissions(false).has(DeleteAccount));
    }
}
