//! The closed list of permissions: one table makes the enum, its keys, its sentences and its marker types.
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type, schema::ArrayBuilder},
};

macro_rules! permissions {
    ($($name:ident $key:literal $says:literal)*) => {
        /// One thing that may be done.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Permission { $(#[doc = $says] $name),* }

        impl Permission {
            /// All of them, in the order of the table in the documentation.
            pub const ALL: &[Permission] = &[$(Permission::$name),*];
            /// Its word in the API: `members.invite`.
            pub const fn key(self) -> &'static str { match self { $(Permission::$name => $key),* } }
            /// What it lets one do, in words.
            pub const fn says(self) -> &'static str { match self { $(Permission::$name => $says),* } }
        }

        $(
            #[doc = concat!("The gate for: ", $says, ".")]
            pub struct $name;
            impl Needs for $name { const PERMISSION: Option<Permission> = Some(Permission::$name); }
        )*
    };
}

/// A permission as a type, so that a signature can ask for it.
pub trait Needs: Send + Sync + 'static {
    /// What must be held; `None` asks for an active membership alone.
    const PERMISSION: Option<Permission>;
    /// Others, any of which does as well.
    const OR: &'static [Permission] = &[];
}

/// The gate for the list of keys: one's own, or everybody's.
pub struct SeeKeys;
impl Needs for SeeKeys {
    const PERMISSION: Option<Permission> = Some(Permission::OwnKeys);
    const OR: &'static [Permission] = &[Permission::ManageKeys];
}

/// The gate for the list of roles: who holds them, or what they hold.
pub struct SeeRoles;
impl Needs for SeeRoles {
    const PERMISSION: Option<Permission> = Some(Permission::ViewMembers);
    const OR: &'static [Permission] = &[Permission::ManageRoles];
}

/// The gate for the page of usage: the account's, that of a scope, or that of one's own keys.
pub struct SeeUsage;
impl Needs for SeeUsage {
    const PERMISSION: Option<Permission> = Some(Permission::ViewUsage);
    const OR: &'static [Permission] = &[Permission::ViewAnalytics, Permission::OwnKeys];
}

/// The gate for usage in the API: the account's, or that of a scope.
pub struct ReadUsage;
impl Needs for ReadUsage {
    const PERMISSION: Option<Permission> = Some(Permission::ViewUsage);
    const OR: &'static [Permission] = &[Permission::ViewAnalytics];
}

/// The gate for what every active member may do, whatever their roles: look at their own membership, leave.
pub struct Inside;
impl Needs for Inside {
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
    /// By its word in the API.
    pub fn parse(key: &str) -> Option<Permission> {
        Permission::ALL.iter().copied().find(|it| it.key() == key)
    }
    /// Checked against a product or a resource, not against the account alone.
    pub fn is_of_resources(self) -> bool {
        self.key().starts_with("resources.") || self == Permission::ViewAnalytics
    }
    /// A grant over a part of the account gives it all the same: its holder is inside, and must see where.
    pub fn is_of_everyone(self) -> bool {
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
        let words = Permission::ALL.iter().map(|it| it.key());
        let says = "One thing that may be done.";
        ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(words))
            .description(Some(says))
            .examples(["resources.run"])
            .into()
    }
}
impl ToSchema for Permission {}

/// A set of permissions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Permissions(u64);

impl Permissions {
    /// None.
    pub const NONE: Permissions = Permissions(0);
    /// All of them.
    pub const ALL: Permissions = Permissions((1 << Permission::ALL.len()) - 1);

    /// Of these.
    pub const fn of(all: &[Permission]) -> Permissions {
        let (mut set, mut at) = (0, 0);
        while at < all.len() {
            set |= all[at].bit();
            at += 1;
        }
        Permissions(set)
    }
    /// Whether this one is in it.
    pub const fn has(self, it: Permission) -> bool {
        self.0 & it.bit() != 0
    }
    /// In both.
    #[must_use]
    pub const fn and(self, other: Permissions) -> Permissions {
        Permissions(self.0 & other.0)
    }
    /// In either.
    #[must_use]
    pub const fn or(self, other: Permissions) -> Permissions {
        Permissions(self.0 | other.0)
    }
    /// Without those.
    #[must_use]
    pub const fn without(self, other: Permissions) -> Permissions {
        Permissions(self.0 & !other.0)
    }
    /// One by one, in the order of the table.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.iter().copied().filter(move |it| self.has(*it))
    }
    /// From a JSON array of keys. What is not known grants nothing.
    pub fn from_json(json: &str) -> Permissions {
        let keys: Vec<String> = serde_json::from_str(json).unwrap_or_default();
        let known: Vec<Permission> = keys.iter().filter_map(|it| Permission::parse(it)).collect();
        Permissions::of(&known)
    }
    /// A JSON array of keys.
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
