//! Grants, which are roles held over a scope, and the rights that a member's grants add up to.
use super::{
    id::{GrantId, ResourceId, RoleId},
    permission::{Permission, Permissions},
    role::{BuiltIn, ScopeKind},
    time::Time,
};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    BuiltIn(BuiltIn),
    /// One of the organization's own, with its name.
    Custom(RoleId, String),
}

/// A resource, as listed in a scope.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ScopedResource {
    pub id: ResourceId,
    pub product: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum GrantScope {
    Account,
    Product(String),
    Resources(Vec<ScopedResource>),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Grant {
    /// `None` if it is not stored: an owner's, or one that is being created.
    pub id: Option<GrantId>,
    pub role: Role,
    pub over: GrantScope,
    pub allows: Permissions,
    /// Exclusive: at this instant the grant is over. `None` for no end.
    pub expires_at: Option<Time>,
}

impl Grant {
    /// A built-in role over the whole account.
    pub fn whole(role: BuiltIn, admins_may_delete: bool) -> Grant {
        let allows = role.permissions(admins_may_delete);
        Grant { id: None, role: Role::BuiltIn(role), over: GrantScope::Account, allows, expires_at: None }
    }
    /// Whether the grant is not over yet.
    pub fn is_in_force(&self, now: Time) -> bool {
        self.expires_at.is_none_or(|end| end > now)
    }
    /// A permission over the account needs a grant over the whole account, whatever the role allows.
    fn holds(&self, permission: Permission) -> bool {
        self.allows.has(permission)
            && (self.over == GrantScope::Account
                || permission.is_of_resources()
                || permission.is_held_by_any_grant())
    }
    /// Matches it against a permission: over a resource, or over anything if `on` is `None`.
    pub fn evaluate(&self, permission: Permission, on: Option<&ScopedResource>) -> GrantMatch {
        if !self.allows.has(permission) {
            GrantMatch::MissingPermission
        } else if !self.holds(permission) {
            GrantMatch::NeedsAccountScope
        } else if on.is_some_and(|on| !self.reaches(&on.product, on.id)) {
            GrantMatch::OutOfScope
        } else {
            GrantMatch::Allows
        }
    }
    fn reaches(&self, product: &str, id: ResourceId) -> bool {
        match &self.over {
            GrantScope::Account => true,
            GrantScope::Product(mine) => mine == product,
            GrantScope::Resources(listed) => listed.iter().any(|resource| resource.id == id),
        }
    }
    /// Whether its scope includes all of `other`.
    fn includes(&self, other: &GrantScope) -> bool {
        match (&self.over, other) {
            (GrantScope::Account, _) => true,
            (GrantScope::Product(mine), GrantScope::Product(theirs)) => mine == theirs,
            (GrantScope::Product(mine), GrantScope::Resources(listed)) => {
                listed.iter().all(|resource| resource.product == *mine)
            }
            (GrantScope::Resources(mine), GrantScope::Resources(listed)) => {
                listed.iter().all(|resource| mine.contains(resource))
            }
            _ => false,
        }
    }
    /// For programs and the audit log: `admin`, `video-developer`, or the name of a custom role.
    pub fn label(&self) -> String {
        match &self.role {
            Role::BuiltIn(role) => GrantLabel { role: *role, product: self.product() }.to_string(),
            Role::Custom(_, name) => self.custom_label(name),
        }
    }
    fn custom_label(&self, name: &str) -> String {
        match &self.over {
            GrantScope::Account => name.to_owned(),
            GrantScope::Product(product) => format!("{name} ({product})"),
            GrantScope::Resources(listed) if listed.len() == 1 => format!("{name} (1 resource)"),
            GrantScope::Resources(listed) => format!("{name} ({} resources)", listed.len()),
        }
    }
    /// For people: `Admin`, `Video developer`.
    pub fn title(&self) -> String {
        match &self.role {
            Role::BuiltIn(role) => GrantLabel { role: *role, product: self.product() }.title(),
            Role::Custom(_, name) => self.custom_label(name),
        }
    }
    /// The product, if all of its scope is within one.
    pub fn product(&self) -> Option<&str> {
        match &self.over {
            GrantScope::Account => None,
            GrantScope::Product(product) => Some(product),
            GrantScope::Resources(listed) => {
                let first = &listed.first()?.product;
                listed.iter().all(|resource| resource.product == *first).then_some(first)
            }
        }
    }
    /// Over what its role may be granted.
    pub fn scope_kind(&self) -> ScopeKind {
        match &self.role {
            Role::BuiltIn(role) => role.scope_kind(),
            Role::Custom(..) => ScopeKind::Anything,
        }
    }
    /// A sentence for the console.
    pub fn description(&self) -> String {
        let what = match &self.role {
            Role::BuiltIn(role) => role.description().to_owned(),
            Role::Custom(..) => {
                let all: Vec<&str> = self.allows.iter().map(Permission::description).collect();
                format!("{}.", all.join("; "))
            }
        };
        match &self.over {
            GrantScope::Account => what,
            GrantScope::Product(product) => format!("In {product}: {what}"),
            GrantScope::Resources(listed) if listed.len() == 1 => format!("For 1 chosen resource: {what}"),
            GrantScope::Resources(listed) => format!("For {} chosen resources: {what}", listed.len()),
        }
    }
}

/// How one grant matches one permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantMatch {
    Allows,
    /// The role does not allow it.
    MissingPermission,
    /// The role allows it, but it is about the whole account, and the grant is over a part.
    NeedsAccountScope,
    /// The role allows it, but the grant is over something else.
    OutOfScope,
}

/// A built-in role and the product that it is held over, in one word: `admin`, `product-admin`, `video-developer`, `video-admin`.
/// The API, forms, SSO mappings and the audit log name roles so. The role `product-admin` is called `admin` behind a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrantLabel<'a> {
    pub role: BuiltIn,
    pub product: Option<&'a str>,
}

impl<'a> GrantLabel<'a> {
    /// `None` for what names no built-in role. Whether there is such a product is for the caller to check.
    pub fn parse(label: &'a str) -> Option<GrantLabel<'a>> {
        if let Some(role) = BuiltIn::parse(label) {
            return Some(GrantLabel { role, product: None });
        }
        BuiltIn::GRANTABLE.iter().filter(|role| role.scope_kind() != ScopeKind::Account).find_map(|role| {
            let product = label.strip_suffix(in_product(*role))?.strip_suffix('-')?;
            (!product.is_empty()).then_some(GrantLabel { role: *role, product: Some(product) })
        })
    }
    /// For people: `Admin`, `Video developer`, `Video admin`.
    pub fn title(&self) -> String {
        let Some(product) = self.product else { return self.role.label().to_owned() };
        let mut letters = product.chars();
        let first = letters.next().into_iter().flat_map(char::to_uppercase);
        format!("{} {}", first.chain(letters).collect::<String>(), in_product(self.role))
    }
}
impl std::fmt::Display for GrantLabel<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.product {
            Some(product) => write!(f, "{product}-{}", in_product(self.role)),
            None => f.write_str(self.role.as_str()),
        }
    }
}

/// A role's name behind that of a product.
fn in_product(role: BuiltIn) -> &'static str {
    if role == BuiltIn::ProductAdmin { "admin" } else { role.as_str() }
}

/// Why an API key does not admit what its member may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyLimit {
    Permission,
    Resource,
}

/// What somebody may do in an account: the union of their grants, within the limits of their API key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rights {
    pub grants: Vec<Grant>,
    /// The permissions of the API key; `None` for a session.
    pub only: Option<Permissions>,
    /// The resources that the API key is limited to; `None` for all.
    pub only_resources: Option<Vec<ResourceId>>,
}

impl Rights {
    /// The rights of a session.
    pub fn of(grants: Vec<Grant>) -> Rights {
        Rights { grants, only: None, only_resources: None }
    }
    pub(super) fn grants_with(&self, permission: Permission) -> impl Iterator<Item = &Grant> {
        let key_holds = self.only.is_none_or(|only| only.has(permission));
        self.grants.iter().filter(move |grant| key_holds && grant.holds(permission))
    }
    /// Whether the permission is held over anything: enough to open a page, not to touch a resource.
    pub fn may(&self, permission: Permission) -> bool {
        self.allowing(permission, None).is_some()
    }
    /// Whether the grants reach this resource. Does not check whether it is private: `may_at` does.
    pub fn may_on(&self, permission: Permission, product: &str, id: ResourceId) -> bool {
        self.allowing(permission, Some(&ScopedResource { id, product: product.to_owned() })).is_some()
    }
    /// The first grant that allows it: over a resource, or over anything if `on` is `None`.
    pub fn allowing(&self, permission: Permission, on: Option<&ScopedResource>) -> Option<&Grant> {
        let is_admitted = self.key_admits(permission, on).is_ok();
        self.grants.iter().find(|grant| is_admitted && grant.evaluate(permission, on) == GrantMatch::Allows)
    }
    /// Whether the limits of the API key allow it. A session has none.
    pub fn key_admits(&self, permission: Permission, on: Option<&ScopedResource>) -> Result<(), KeyLimit> {
        let covers = |only: &Vec<ResourceId>| on.is_none_or(|on| only.contains(&on.id));
        if self.only.is_some_and(|only| !only.has(permission)) {
            Err(KeyLimit::Permission)
        } else if !self.only_resources.as_ref().is_none_or(covers) {
            Err(KeyLimit::Resource)
        } else {
            Ok(())
        }
    }
    /// Whether all that `grant` allows is held here, over all of its scope. Fails with the first permission that is not.
    pub fn cover(&self, grant: &Grant) -> Result<(), Permission> {
        let missing = |permission: &Permission| {
            let is_unlimited = !permission.is_of_resources() || self.only_resources.is_none();
            let includes = |mine: &Grant| permission.is_held_by_any_grant() || mine.includes(&grant.over);
            grant.holds(*permission) && !(is_unlimited && self.grants_with(*permission).any(includes))
        };
        match grant.allows.iter().find(missing) {
            None => Ok(()),
            Some(missing) => Err(missing),
        }
    }
    /// `cover` for several grants.
    pub fn cover_all(&self, grants: &[Grant]) -> Result<(), Permission> {
        grants.iter().try_for_each(|grant| self.cover(grant))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn listed(n: u128, product: &str) -> ScopedResource {
        ScopedResource { id: ResourceId(Uuid::from_u128(n)), product: product.into() }
    }
    fn grant(role: BuiltIn, over: GrantScope) -> Grant {
        Grant { over, ..Grant::whole(role, true) }
    }

    #[test]
    fn an_account_permission_needs_the_whole_account() {
        let over_video = GrantScope::Product("video".into());
        let custom = Grant {
            role: Role::Custom(RoleId(Uuid::nil()), "Helper".into()),
            allows: Permissions::of(&[
                Permission::ViewMembers,
                Permission::ViewResources,
                Permission::ViewAccount,
            ]),
            ..grant(BuiltIn::Developer, over_video)
        };
        let rights = Rights::of(vec![custom]);
        assert!(!rights.may(Permission::ViewMembers));
        assert!(rights.may(Permission::ViewAccount));
        assert!(rights.may_on(Permission::ViewResources, "video", ResourceId(Uuid::nil())));
        assert!(!rights.may_on(Permission::ViewResources, "image", ResourceId(Uuid::nil())));
    }

    #[test]
    fn nobody_covers_more_than_they_hold() {
        let admin = Rights::of(vec![grant(BuiltIn::Admin, GrantScope::Account)]);
        assert_eq!(admin.cover(&Grant::whole(BuiltIn::Admin, true)), Ok(()));
        assert_eq!(admin.cover(&Grant::whole(BuiltIn::Owner, true)), Err(Permission::TransferAccount));

        let video = Rights::of(vec![grant(BuiltIn::ProductAdmin, GrantScope::Product("video".into()))]);
        let own = GrantScope::Resources(vec![listed(1, "video")]);
        let foreign = GrantScope::Resources(vec![listed(1, "video"), listed(2, "image")]);
        assert_eq!(video.cover(&grant(BuiltIn::SourceSpecific, own)), Ok(()));
        assert_eq!(video.cover(&grant(BuiltIn::SourceSpecific, foreign)), Err(Permission::ViewResources));
        assert_eq!(
            video.cover(&grant(BuiltIn::Developer, GrantScope::Account)),
            Err(Permission::ViewResources)
        );

        let only = Some(Permissions::of(&[Permission::InviteMembers]));
        let by_key = Rights { only, ..admin };
        assert_eq!(by_key.cover(&grant(BuiltIn::Member, GrantScope::Account)), Err(Permission::ViewAccount));
    }

    #[test]
    fn labels_name_role_and_product() {
        let label = |role, over| grant(role, over).label();
        assert_eq!(label(BuiltIn::Admin, GrantScope::Account), "admin");
        assert_eq!(label(BuiltIn::ProductAdmin, GrantScope::Account), "product-admin");
        assert_eq!(label(BuiltIn::ProductAdmin, GrantScope::Product("video".into())), "video-admin");
        assert_eq!(label(BuiltIn::Analyst, GrantScope::Product("image".into())), "image-analyst");
        let one = GrantScope::Resources(vec![listed(1, "video")]);
        assert_eq!(label(BuiltIn::SourceSpecific, one), "video-source-specific");
        let two = GrantScope::Resources(vec![listed(1, "video"), listed(2, "image")]);
        assert_eq!(label(BuiltIn::SourceSpecific, two), "source-specific");
        assert_eq!(grant(BuiltIn::Developer, GrantScope::Product("video".into())).title(), "Video developer");
    }

    #[test]
    fn labels_are_parsed_as_they_are_written() {
        for role in BuiltIn::GRANTABLE {
            let label = GrantLabel { role: *role, product: None };
            assert_eq!(GrantLabel::parse(&label.to_string()), Some(label));
        }
        for role in [BuiltIn::Developer, BuiltIn::Analyst, BuiltIn::ProductAdmin, BuiltIn::SourceSpecific] {
            let label = GrantLabel { role, product: Some("live-video") };
            assert_eq!(GrantLabel::parse(&label.to_string()), Some(label));
        }
        let title = |label| GrantLabel::parse(label).map(|label| label.title());
        assert_eq!(title("image-admin").as_deref(), Some("Image admin"));
        assert_eq!(title("product-admin").as_deref(), Some("Product admin"));
        assert_eq!(title("video-source-specific").as_deref(), Some("Video source-specific"));
        for other in ["", "-admin", "video", "video-member", "Clip reviewer"] {
            assert_eq!(GrantLabel::parse(other), None, "{other}");
        }
    }

    #[test]
    fn at_its_end_a_grant_is_over() {
        let grant = Grant { expires_at: Some(Time(20)), ..Grant::whole(BuiltIn::Admin, true) };
        assert!(grant.is_in_force(Time(19)) && !grant.is_in_force(Time(20)));
        assert!(Grant::whole(BuiltIn::Admin, true).is_in_force(Time(i64::MAX)));
    }
}
