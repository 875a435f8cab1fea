//! Built-in roles, which every account has. Custom roles are rows in the database.
use super::permission::{
    Permission::{self, *},
    Permissions,
};

/// In the order of the columns of `ROLE_PERMISSIONS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BuiltIn {
    /// Held by exactly one member, and never granted.
    Owner,
    Admin,
    Member,
    Accountant,
    Developer,
    Analyst,
    /// Developer and analyst.
    ProductAdmin,
    /// Held over listed resources only.
    SourceSpecific,
    /// Developer and analyst over all products, who also sees and pays invoices.
    ProductAdminAll,
}

/// Over what a role may be granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeKind {
    Account,
    /// The account or one product.
    Products,
    /// Listed resources only.
    Resources,
    /// Any of them: custom roles.
    Anything,
}

/// Which built-in role holds which permission: `x` always, `p` if the account's policy says so. The columns are owner, admin,
/// member, accountant, developer, analyst, product-admin, source-specific, product-admin-all.
const ROLE_PERMISSIONS: &[(&str, Permission)] = &[
    ("xxxxxxxxx", ViewAccount),
    ("xx.......", UpdateAccount),
    ("xp.......", DeleteAccount),
    ("x........", TransferAccount),
    ("xx.......", ViewMembers),
    ("xx.......", InviteMembers),
    ("xx.......", UpdateMembers),
    ("xx.......", RemoveMembers),
    ("xx.......", ManageRoles),
    ("xxx......", CreateTeams),
    ("xxx......", OwnKeys),
    ("xx.......", ManageKeys),
    ("xx.......", ChangePlan),
    ("xx.x.....", ViewBilling),
    ("xx.x.....", ManageBilling),
    ("xx.x....x", ViewInvoices),
    ("xx.x....x", PayInvoices),
    ("xx.......", ViewUsage),
    ("xx.......", ViewAudit),
    ("xx.......", ManageSso),
    ("xx.......", ManageWebhooks),
    ("xxx.xxxxx", ViewResources),
    ("xxx.x.x.x", CreateResources),
    ("xxx.x.x.x", DeleteResources),
    ("xxx.x.xxx", UpdateResources),
    ("xxx.x.xxx", RunResources),
    ("xx...xxxx", ViewAnalytics),
];

impl BuiltIn {
    /// In the order of menus.
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

    pub const fn as_str(self) -> &'static str {
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
    pub fn parse(text: &str) -> Option<BuiltIn> {
        std::iter::once(BuiltIn::Owner)
            .chain(BuiltIn::GRANTABLE.iter().copied())
            .find(|role| role.as_str() == text)
    }
    pub const fn label(self) -> &'static str {
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
    /// A sentence for the console.
    pub const fn description(self) -> &'static str {
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
    pub const fn scope_kind(self) -> ScopeKind {
        match self {
            BuiltIn::Developer | BuiltIn::Analyst | BuiltIn::ProductAdmin => ScopeKind::Products,
            BuiltIn::SourceSpecific => ScopeKind::Resources,
            _ => ScopeKind::Account,
        }
    }
    /// What the role allows. `admins_may_delete` is the account's policy.
    pub const fn permissions(self, admins_may_delete: bool) -> Permissions {
        let (mut held, mut row) = (Permissions::NONE, 0);
        while row < ROLE_PERMISSIONS.len() {
            let (marks, permission) = ROLE_PERMISSIONS[row];
            let mark = marks.as_bytes()[self as usize];
            if mark == b'x' || (mark == b'p' && admins_may_delete) {
                held = held.or(Permissions::of(&[permission]));
            }
            row += 1;
        }
        held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_permission_has_one_row_in_its_order() {
        let rows: Vec<Permission> = ROLE_PERMISSIONS.iter().map(|row| row.1).collect();
        assert_eq!(rows, Permission::ALL);
        assert!(ROLE_PERMISSIONS.iter().all(|row| row.0.len() == 1 + BuiltIn::GRANTABLE.len()));
        assert_eq!(BuiltIn::Owner.permissions(false), Permissions::ALL);
    }

    #[test]
    fn only_the_policy_lets_admins_delete_the_account() {
        let (with, without) = (BuiltIn::Admin.permissions(true), BuiltIn::Admin.permissions(false));
        assert_eq!(with.without(without), Permissions::of(&[DeleteAccount]));
        assert_eq!(Permissions::ALL.without(with), Permissions::of(&[TransferAccount]));
        assert!(
            BuiltIn::GRANTABLE
                .iter()
                .all(|role| { *role == BuiltIn::Admin || role.permissions(true) == role.permissions(false) })
        );
    }

    #[test]
    fn a_product_admin_is_a_developer_and_an_analyst() {
        let of = |role: BuiltIn| role.permissions(true);
        assert_eq!(of(BuiltIn::ProductAdmin), of(BuiltIn::Developer).or(of(BuiltIn::Analyst)));
        let more = Permissions::of(&[ViewInvoices, PayInvoices]);
        assert_eq!(of(BuiltIn::ProductAdminAll), of(BuiltIn::ProductAdmin).or(more));
    }
}
