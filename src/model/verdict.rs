//! The verdict on an API key that a gateway asks about: the first that applies.
use super::{
    account::Kind,
    grant::{Grant, GrantScope, Rights},
    id::{AccountId, KeyId, ResourceId, UserId},
    permission::Permission,
    resource::{ResourceTarget, Visibility},
    time::Time,
};
use serde::{Deserialize, Deserializer, Serialize, de};
use std::{borrow::Cow, fmt, sync::Arc};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr, Schema,
        schema::{ObjectBuilder, OneOfBuilder, Type},
    },
};
use uuid::Uuid;

/// In the order in which they are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(example = "VALID")]
pub enum Verdict {
    /// No such key.
    NotFound,
    /// Revoked, or its member was removed.
    Revoked,
    Expired,
    /// Its membership is suspended or over, in its account or in the organization above.
    Suspended,
    /// The key or its member lacks the permission, or the resource is out of reach.
    Forbidden,
    /// A hard budget is used up.
    QuotaExceeded,
    /// The account's rate limit is reached.
    RateLimited,
    Valid,
}

impl Verdict {
    pub const ALL: [Verdict; 8] = [
        Verdict::NotFound,
        Verdict::Revoked,
        Verdict::Expired,
        Verdict::Suspended,
        Verdict::Forbidden,
        Verdict::QuotaExceeded,
        Verdict::RateLimited,
        Verdict::Valid,
    ];
    pub const fn as_str(self) -> &'static str {
        match self {
            Verdict::NotFound => "NOT_FOUND",
            Verdict::Revoked => "REVOKED",
            Verdict::Expired => "EXPIRED",
            Verdict::Suspended => "SUSPENDED",
            Verdict::Forbidden => "FORBIDDEN",
            Verdict::QuotaExceeded => "QUOTA_EXCEEDED",
            Verdict::RateLimited => "RATE_LIMITED",
            Verdict::Valid => "VALID",
        }
    }
}

/// A key as it was read. Whatever depends on the time is decided at each check.
#[derive(Debug)]
pub struct CachedKey {
    pub id: KeyId,
    pub is_revoked: bool,
    pub expires_at: Option<Time>,
    pub member: KeyMember,
    /// Exclusive: the end of the month in which a hard budget is used up.
    pub spent_until: Option<Time>,
}

/// What gateways are told about an account. All of its keys share one.
#[derive(Debug, PartialEq, Eq)]
pub struct KeyAccount {
    pub id: AccountId,
    pub slug: String,
    pub kind: Kind,
    /// The plan of its payer.
    pub plan: String,
    /// The account itself, or the parent of a team.
    pub payer: AccountId,
    /// Whether the payer is an organization above, whose suspensions apply here, too.
    pub is_under_organization: bool,
}

/// The member whose key it is, and what the key may do.
#[derive(Debug)]
pub struct KeyMember {
    pub account: Arc<KeyAccount>,
    /// With their address; `None` for a deleted user.
    pub user: Option<(UserId, Arc<str>)>,
    /// `None` if it was removed.
    pub membership: Option<MembershipTerm>,
    /// That in the organization above.
    pub parent_membership: Option<MembershipTerm>,
    /// May hold grants that are over. Keys with the same rights share one.
    pub rights: Arc<Rights>,
}

/// How long a membership is active.
#[derive(Clone, Copy, Debug)]
pub enum MembershipTerm {
    Suspended,
    /// Exclusive.
    Until(Time),
    Open,
}

impl MembershipTerm {
    fn is_active(self, now: Time) -> bool {
        match self {
            MembershipTerm::Suspended => false,
            MembershipTerm::Until(end) => end > now,
            MembershipTerm::Open => true,
        }
    }
}

/// What a gateway asks about a key.
#[derive(Clone, Debug, Default)]
pub struct PermissionCheck {
    /// `None` asks only whether the key is valid, and sees the resource.
    pub permission: Option<Permission>,
    /// The product of the resource, or the product as a whole.
    pub product: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ResourceRef {
    Id(ResourceId),
    /// By the platform's own id.
    External {
        product: String,
        kind: String,
        external_id: String,
    },
    /// A text that is not an id, and so names no resource.
    Nothing,
}

/// What is cached about a resource.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ResourceFacts {
    pub id: ResourceId,
    pub product: String,
    pub visibility: Visibility,
    pub created_by: Option<UserId>,
}

impl ResourceFacts {
    fn target(&self) -> ResourceTarget<'_> {
        ResourceTarget {
            product: &self.product,
            id: self.id,
            visibility: self.visibility,
            creator: self.created_by,
        }
    }
}

impl CachedKey {
    /// What is wrong with the key itself, whatever is asked about it.
    pub fn fault(&self, now: Time) -> Option<Verdict> {
        let member = &self.member;
        let Some(membership) = member.membership.filter(|_| !self.is_revoked) else {
            return Some(Verdict::Revoked);
        };
        if self.expires_at.is_some_and(|end| end <= now) {
            return Some(Verdict::Expired);
        }
        let is_active = membership.is_active(now)
            && (!member.account.is_under_organization
                || member.parent_membership.is_some_and(|term| term.is_active(now)));
        (!is_active).then_some(Verdict::Suspended)
    }
    /// Whether a hard budget is used up now.
    pub fn is_spent(&self, now: Time) -> bool {
        self.spent_until.is_some_and(|end| end > now)
    }
}

impl KeyMember {
    /// The ids of accounts and users whose changes invalidate this.
    pub fn depends_on(&self) -> [Uuid; 3] {
        let KeyAccount { id, payer, .. } = &*self.account;
        [id.0, payer.0, self.user.as_ref().map_or(id.0, |user| user.0.0)]
    }
    /// The grants in force.
    fn grants(&self, now: Time) -> impl Iterator<Item = &Grant> {
        self.rights.grants.iter().filter(move |grant| grant.is_in_force(now))
    }
    fn rights(&self, now: Time) -> Cow<'_, Rights> {
        if self.grants(now).count() == self.rights.grants.len() {
            return Cow::Borrowed(&self.rights);
        }
        Cow::Owned(Rights { grants: self.grants(now).cloned().collect(), ..Rights::clone(&self.rights) })
    }
    /// The labels of their grants: `admin`, `video-developer`.
    pub fn roles(&self, now: Time) -> Vec<String> {
        let mut labels: Vec<String> = vec![];
        for label in self.grants(now).map(Grant::label) {
            if !labels.contains(&label) {
                labels.push(label);
            }
        }
        labels
    }
    /// Whether the key may do it. `resource` is the one that the gateway named, `Some(None)` if there is no such one. A check
    /// without a permission asks whether the resource is visible.
    pub fn allows(
        &self,
        check: &PermissionCheck,
        resource: Option<Option<&ResourceFacts>>,
        now: Time,
    ) -> bool {
        let rights = self.rights(now);
        let permission = check.permission.unwrap_or(Permission::ViewResources);
        match (resource, &check.product) {
            (Some(None), _) => false,
            (Some(Some(resource)), product) => {
                let matches = product.as_ref().is_none_or(|product| *product == resource.product);
                matches
                    && self
                        .user
                        .as_ref()
                        .is_some_and(|(id, _)| rights.may_at(Some(*id), permission, &resource.target()))
            }
            (None, Some(product)) => rights.may_within(permission, product),
            (None, None) => check.permission.is_none_or(|permission| rights.may(permission)),
        }
    }
}

impl Rights {
    /// Whether it is held over a part of a product, or over all of it for `CreateResources`. Permissions about the account do not
    /// depend on products.
    pub fn may_within(&self, permission: Permission, product: &str) -> bool {
        if permission == Permission::CreateResources {
            return self.may_in(permission, product);
        }
        if !permission.is_of_resources() {
            return self.may(permission);
        }
        self.grants_with(permission).any(|grant| match &grant.over {
            GrantScope::Account => true,
            GrantScope::Product(mine) => mine == product,
            GrantScope::Resources(listed) => listed.iter().any(|resource| resource.product == product),
        })
    }
}

/// A resource by the platform's own id of it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ExternalResource)]
#[expect(clippy::struct_field_names, reason = "the names in the API")]
struct External {
    /// Its product.
    #[schema(example = "video")]
    product: String,
    /// Its kind.
    #[schema(example = "index")]
    kind: String,
    /// The platform's own id.
    #[schema(example = "vid_5521")]
    external_id: String,
}

impl PartialSchema for ResourceRef {
    fn schema() -> RefOr<Schema> {
        let id = ObjectBuilder::new().schema_type(Type::String).description(Some("Our id."));
        let example = serde_json::json!({ "product": "video", "kind": "index", "external_id": "ix_42" });
        OneOfBuilder::new().item(id).item(External::schema()).examples([example]).into()
    }
}
impl ToSchema for ResourceRef {
    fn name() -> Cow<'static, str> {
        "NamedResource".into()
    }
}

impl<'de> Deserialize<'de> for ResourceRef {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<ResourceRef, D::Error> {
        struct IdOrObject;
        impl<'de> de::Visitor<'de> for IdOrObject {
            type Value = ResourceRef;
            fn expecting(&self, to: &mut fmt::Formatter) -> fmt::Result {
                to.write_str("a resource's id, or {product, kind, external_id}")
            }
            fn visit_str<E: de::Error>(self, id: &str) -> Result<ResourceRef, E> {
                Ok(id.parse().map_or(ResourceRef::Nothing, ResourceRef::Id))
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<ResourceRef, A::Error> {
                let External { product, kind, external_id } =
                    External::deserialize(de::value::MapAccessDeserializer::new(map))?;
                // No stored text holds a NUL, and Postgres accepts none.
                if [&product, &kind, &external_id].iter().any(|text| text.contains('\0')) {
                    return Ok(ResourceRef::Nothing);
                }
                Ok(ResourceRef::External { product, kind, external_id })
            }
        }
        from.deserialize_any(IdOrObject)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{grant::ScopedResource, role::BuiltIn};

    fn member(grants: Vec<Grant>) -> KeyMember {
        let account = KeyAccount {
            id: AccountId(Uuid::from_u128(1)),
            slug: "acme".into(),
            kind: Kind::Organization,
            plan: "free".into(),
            payer: AccountId(Uuid::from_u128(1)),
            is_under_organization: false,
        };
        KeyMember {
            account: Arc::new(account),
            user: Some((UserId(Uuid::from_u128(9)), "ada@acme.test".into())),
            membership: Some(MembershipTerm::Until(Time(100))),
            parent_membership: None,
            rights: Arc::new(Rights::of(grants)),
        }
    }

    #[test]
    fn ends_are_exclusive_and_decided_at_each_check() {
        let until = Grant { expires_at: Some(Time(20)), ..Grant::whole(BuiltIn::Admin, true) };
        let key = CachedKey {
            id: KeyId(Uuid::nil()),
            is_revoked: false,
            expires_at: Some(Time(200)),
            member: member(vec![until, Grant::whole(BuiltIn::Accountant, true)]),
            spent_until: Some(Time(50)),
        };
        let member = &key.member;
        assert_eq!(key.fault(Time(99)), None);
        assert_eq!(key.fault(Time(100)), Some(Verdict::Suspended));
        assert_eq!(key.fault(Time(200)), Some(Verdict::Expired));
        let check = PermissionCheck { permission: Some(Permission::ViewMembers), product: None };
        assert!(member.allows(&check, None, Time(19)) && !member.allows(&check, None, Time(20)));
        assert_eq!(member.roles(Time(19)), ["admin", "accountant"]);
        assert_eq!(member.roles(Time(20)), ["accountant"]);
        assert!(key.is_spent(Time(49)) && !key.is_spent(Time(50)));
        let own = CachedKey { expires_at: Some(Time(50)), ..key };
        assert_eq!((own.fault(Time(49)), own.fault(Time(50))), (None, Some(Verdict::Expired)));
    }

    #[test]
    fn products_are_reached_in_part_or_as_a_whole() {
        let listed = vec![ScopedResource { id: ResourceId(Uuid::from_u128(5)), product: "video".into() }];
        let some = member(vec![Grant {
            over: GrantScope::Resources(listed),
            ..Grant::whole(BuiltIn::Developer, true)
        }]);
        let may = |permission, product: &str| {
            let check = PermissionCheck { permission: Some(permission), product: Some(product.into()) };
            some.allows(&check, None, Time(0))
        };
        assert!(may(Permission::RunResources, "video") && !may(Permission::RunResources, "image"));
        assert!(!may(Permission::CreateResources, "video"));
        assert!(may(Permission::ViewAccount, "image"));
        assert!(!some.allows(&PermissionCheck::default(), Some(None), Time(0)));
    }

    #[test]
    fn resources_are_referred_to_by_id_or_by_external_id() {
        let read = |text: &str| serde_json::from_str::<ResourceRef>(text);
        let id = Uuid::from_u128(5);
        assert_eq!(read(&format!("\"{id}\"")).unwrap(), ResourceRef::Id(ResourceId(id)));
        assert_eq!(read("\"nonsense\"").unwrap(), ResourceRef::Nothing);
        assert!(read(r#"{"product":"video","kind":"index","external_id":"x"}"#).is_ok());
        for bad in
            ["7", "[]", r#"{"product":"video"}"#, r#"{"product":"v","kind":"k","external_id":"e","x":1}"#]
        {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
