//! The closed list of permissions. One table makes the enum, its keys, its descriptions, and a marker type for each, which gates
//! take as a type parameter.
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type, schema::ArrayBuilder},
};

macro_rules! permissions {
    ($($name:ident $key:literal $description:literal)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Permission { $(#[doc = $description] $name),* }

        impl Permission {
            /// In the order of the documentation.
            pub const ALL: &[Permission] = &[$(Permission::$name),*];
            /// As in the API: `members.invite`.
            pub const fn key(self) -> &'static str { match self { $(Permission::$name => $key),* } }
            pub const fn description(self) -> &'static str { match self { $(Permission::$name => $description),* } }
        }

        $(
            pub struct $name;
            impl Needs for $name { const PERMISSION: Option<Permission> = Some(Permission::$name); }
        )*
    };
}

/// What a gate requires, as a type, so that a handler's signature says it.
pub trait Needs: Send + Sync + 'static {
    /// `None` requires an active membership only.
    const PERMISSION: Option<Permission>;
    /// Permissions of which each suffices instead.
    const ALTERNATIVES: &'static [Permission] = &[];
}

/// The list of keys: one's own, or everyone's.
pub struct SeeKeys;
impl Needs for SeeKeys {
    const PERMISSION: Option<Permission> = Some(Permission::OwnKeys);
    const ALTERNATIVES: &'static [Permission] = &[Permission::ManageKeys];
}

/// The list of roles: who holds them, or what they allow.
pub struct SeeRoles;
impl Needs for SeeRoles {
    const PERMISSION: Option<Permission> = Some(Permission::ViewMembers);
    const ALTERNATIVES: &'static [Permission] = &[Permission::ManageRoles];
}

/// The usage page: that of the account, of a scope, or of one's own keys.
pub struct SeeUsage;
impl Needs for SeeUsage {
    const PERMISSION: Option<Permission> = Some(Permission::ViewUsage);
    const ALTERNATIVES: &'static [Permission] = &[Permission::ViewAnalytics, Permission::OwnKeys];
}

/// Usage in the API: that of the account or of a scope.
pub struct ReadUsage;
impl Needs for ReadUsage {
    const PERMISSION: Option<Permission> = Some(Permission::ViewUsage);
    const ALTERNATIVES: &'static [Permission] = &[Permission::ViewAnalytics];
}

/// What every active member may do, whatever their roles: see their own membership, leave.
pub struct AnyMember;
impl Needs for AnyMember {
    const PERMISSION: Option<Permission> = None;
}

permissions! {
    ViewAccount     "account.view"     "See the account's basic information, plan and limits"
    UpdateAccount   "account.update"   "Change the account's name, address and policies"
    DeleteAccount   "account.delete"   "Delete the account"
    TransferAccount "account.transfer" "Hand the account over to a new owner"
    ViewMembers     "members.view"     "See who belongs to the account"
    InviteMembers   "members.invite"   "Invite people"
    UpdateMembers   "members.update"   "Change members' roles, suspend and reactivate them"
    RemoveMembers   "members.remove"   "Remove members"
    ManageRoles     "roles.manage"     "Make and change custom roles"
    CreateTeams     "teams.create"     "Create teams"
    OwnKeys         "keys.own"         "Make and manage their own API keys, and see those keys' usage"
    ManageKeys      "keys.manage"      "See and revoke everyone's API keys"
    ChangePlan      "plan.change"      "Change the plan"
    ViewBilling     "billing.view"     "See billing details"
    ManageBilling   "billing.manage"   "Change billing and payment details"
    ViewInvoices    "invoices.view"    "See invoices"
    PayInvoices     "invoices.pay"     "Pay invoices"
    ViewUsage       "usage.view"       "See the whole account's usage"
    ViewAudit       "audit.view"       "Read the audit log"
    ManageSso       "sso.manage"       "Set up single sign-on"
    ManageWebhooks  "webhooks.manage"  "Set up webhooks"
    ViewResources   "resources.view"   "See resources"
    CreateResources "resources.create" "Create resources"
    DeleteResources "resources.delete" "Delete resources"
    UpdateResources "resources.update" "Change resources"
    RunResources    "resources.run"    "Use resources: search, embed, generate"
    ViewAnalytics   "analytics.view"   "See usage and insights of what they can reach"
}

impl Permission {
    pub fn parse(key: &str) -> Option<Permission> {
        Permission::ALL.iter().copied().find(|permission| permission.key() == key)
    }
    /// Whether it applies to products and resources rather than to the account as a whole.
    pub fn is_of_resources(self) -> bool {
        self.key().starts_with("resources.") || self == Permission::ViewAnalytics
    }
    /// Whether a grant over a part of the account suffices, although the permission is about the account: whoever is in an account
    /// may see which one.
    pub fn is_held_by_any_grant(self) -> bool {
        self == Permission::ViewAccount
    }
    const fn bit(self) -> u64 {
        1 << self as u64
    }
}
impl Serialize for Permission {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.key())
    }
}
impl<'de> Deserialize<'de> for Permission {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Permission, D::Error> {
        let key = String::deserialize(from)?;
        Permission::parse(&key).ok_or_else(|| D::Error::custom(format!("no such permission: {key}")))
    }
}

impl PartialSchema for Permission {
    fn schema() -> RefOr<Schema> {
        let keys = Permission::ALL.iter().map(|permission| permission.key());
        ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(keys))
            .description(Some("One thing that may be done."))
            .examples(["resources.run"])
            .into()
    }
}
impl ToSchema for Permission {}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Permissions(u64);

impl Permissions {
    pub const NONE: Permissions = Permissions(0);
    pub const ALL: Permissions = Permissions((1 << Permission::ALL.len()) - 1);

    pub const fn of(all: &[Permission]) -> Permissions {
        let (mut set, mut at) = (0, 0);
        while at < all.len() {
            set |= all[at].bit();
            at += 1;
        }
        Permissions(set)
    }
    pub const fn has(self, permission: Permission) -> bool {
        self.0 & permission.bit() != 0
    }
    #[must_use]
    pub const fn and(self, other: Permissions) -> Permissions {
        Permissions(self.0 & other.0)
    }
    #[must_use]
    pub const fn or(self, other: Permissions) -> Permissions {
        Permissions(self.0 | other.0)
    }
    #[must_use]
    pub const fn without(self, other: Permissions) -> Permissions {
        Permissions(self.0 & !other.0)
    }
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.iter().copied().filter(move |permission| self.has(*permission))
    }
    /// From a JSON array of keys. Unknown keys are ignored: they grant nothing.
    pub fn from_json(json: &str) -> Permissions {
        let keys: Vec<String> = serde_json::from_str(json).unwrap_or_default();
        let known: Vec<Permission> = keys.iter().filter_map(|key| Permission::parse(key)).collect();
        Permissions::of(&known)
    }
    pub fn to_json(self) -> String {
        serde_json::to_string(&self).expect("keys are plain words")
    }
}
impl PartialSchema for Permissions {
    fn schema() -> RefOr<Schema> {
        ArrayBuilder::new().items(utoipa::openapi::Ref::from_schema_name("Permission")).into()
    }
}
impl ToSchema for Permissions {
    fn schemas(all: &mut Vec<(String, RefOr<Schema>)>) {
        all.push((Permission::name().into_owned(), Permission::schema()));
    }
}
impl Serialize for Permissions {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.iter())
    }
}
