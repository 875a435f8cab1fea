//! What a gateway is told about a key: one verdict, the first that applies.
use super::{
    account::Kind,
    brief::Brief,
    grant::{Grant, Over, Rights},
    id::{AccountId, KeyId, ResourceId, UserId},
    permission::Permission,
    resource::{Place, Visibility},
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

/// In the order in which they are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(example = "VALID")]
pub enum Verdict {
    /// No such key.
    NotFound,
    /// Revoked, or its member left.
    Revoked,
    /// Its time is over.
    Expired,
    /// Its member is suspended, or their membership's time is over; there, or in the organization above.
    Suspended,
    /// The key or its member may not do this, or not there.
    Forbidden,
    /// A hard budget is used up.
    QuotaExceeded,
    /// The account's rate limit is reached.
    RateLimited,
    /// Let it pass.
    Valid,
}

impl Verdict {
    /// All of them.
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
    /// Its word: `NOT_FOUND`.
    pub const fn word(self) -> &'static str {
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

/// A key, as it was when it was read. What depends on the time is judged at each answer.
#[derive(Debug)]
pub struct Known {
    /// Which.
    pub id: KeyId,
    /// Whether it was revoked.
    pub is_revoked: bool,
    /// When it ends.
    pub expires_at: Option<Time>,
    /// Whose it is, and where.
    pub seat: Seat,
    /// Until when a hard budget of its is used up: the end of that month.
    pub spent_until: Option<Time>,
}

/// An account, as gateways are told of it. All keys of it share one.
#[derive(Debug, PartialEq, Eq)]
pub struct Home {
    /// Which.
    pub id: AccountId,
    /// Its word in addresses.
    pub slug: String,
    /// What kind it is.
    pub kind: Kind,
    /// Its plan, or its payer's.
    pub plan: String,
    /// Who pays for it: itself, or a team's parent.
    pub payer: AccountId,
    /// Whether the payer is an organization above, whose suspensions hold here.
    pub is_under_organization: bool,
}

/// A member in an account, with what a key of theirs may do there.
#[derive(Debug)]
pub struct Seat {
    /// The account.
    pub home: Arc<Home>,
    /// Who; none when they are gone.
    pub user: Option<(UserId, Brief)>,
    /// Their membership; none when it was removed.
    pub own: Option<Term>,
    /// Their membership in the organization above.
    pub above: Option<Term>,
    /// What they may do with the key; grants whose time is over may be among them. Shared by who may do the same.
    pub rights: Arc<Rights>,
}

/// How long a membership lets in.
#[derive(Clone, Copy, Debug)]
pub enum Term {
    /// It is suspended.
    Suspended,
    /// Until then.
    Until(Time),
    /// For good.
    Open,
}

impl Term {
    fn is_active(self, now: Time) -> bool {
        match self {
            Term::Suspended => false,
            Term::Until(end) => end > now,
            Term::Open => true,
        }
    }
}

/// What a gateway asks of a key.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// To do what; none: to be in force.
    pub permission: Option<Permission>,
    /// With a resource of which product, or in which product.
    pub product: Option<String>,
}

/// A resource, as a gateway names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Named {
    /// By our id.
    Id(ResourceId),
    /// By the platform's own.
    External {
        /// Its product.
        product: String,
        /// Its kind.
        kind: String,
        /// The platform's own id.
        external_id: String,
    },
    /// By what is no id: it names nothing.
    Nothing,
}

/// Where a resource is, kept.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Spot {
    /// Its id.
    pub id: ResourceId,
    /// Its product.
    pub product: String,
    /// Who sees it.
    pub visibility: Visibility,
    /// Who made it.
    pub created_by: Option<UserId>,
}

impl Spot {
    fn place(&self) -> Place<'_> {
        Place { product: &self.product, id: self.id, visibility: self.visibility, creator: self.created_by }
    }
}

impl Known {
    /// What is wrong with the key itself, whatever it is asked for.
    pub fn fault(&self, now: Time) -> Option<Verdict> {
        let seat = &self.seat;
        let Some(own) = seat.own.filter(|_| !self.is_revoked) else { return Some(Verdict::Revoked) };
        if self.expires_at.is_some_and(|it| it <= now) {
            return Some(Verdict::Expired);
        }
        let is_active = own.is_active(now)
            && (!seat.home.is_under_organization || seat.above.is_some_and(|it| it.is_active(now)));
        (!is_active).then_some(Verdict::Suspended)
    }
    /// Whether a hard budget is used up.
    pub fn is_spent(&self, now: Time) -> bool {
        self.spent_until.is_some_and(|it| it > now)
    }
}

impl Seat {
    /// Of whom this must be told when they change.
    pub fn about(&self) -> [Uuid; 3] {
        let Home { id, payer, .. } = &*self.home;
        [id.0, payer.0, self.user.as_ref().map_or(id.0, |it| it.0.0)]
    }
    /// The grants in force.
    fn grants(&self, now: Time) -> impl Iterator<Item = &Grant> {
        self.rights.grants.iter().filter(move |it| it.expires_at.is_none_or(|end| end >= now))
    }
    fn rights(&self, now: Time) -> Cow<'_, Rights> {
        if self.grants(now).count() == self.rights.grants.len() {
            return Cow::Borrowed(&self.rights);
        }
        Cow::Owned(Rights { grants: self.grants(now).cloned().collect(), ..Rights::clone(&self.rights) })
    }
    /// What the member is called by platform people: `admin`, `video-developer`.
    pub fn roles(&self, now: Time) -> Vec<String> {
        let mut labels: Vec<String> = vec![];
        for it in self.grants(now).map(Grant::label) {
            if !labels.contains(&it) {
                labels.push(it);
            }
        }
        labels
    }
    /// Whether the key may do it. `spot` is the resource that was named: within, none for one that is not there. What is
    /// asked without a permission is whether it is seen.
    pub fn allows(&self, asked: &Asked, spot: Option<Option<&Spot>>, now: Time) -> bool {
        let rights = self.rights(now);
        let permission = asked.permission.unwrap_or(Permission::ViewResources);
        match (spot, &asked.product) {
            (Some(None), _) => false,
            (Some(Some(spot)), product) => {
                let is_it = product.as_ref().is_none_or(|it| *it == spot.product);
                is_it
                    && self.user.as_ref().is_some_and(|(id, _)| rights.may_at(*id, permission, &spot.place()))
            }
            (None, Some(product)) => rights.may_within(permission, product),
            (None, None) => asked.permission.is_none_or(|it| rights.may(it)),
        }
    }
}

impl Rights {
    /// Over something of a product at least; to make something new there, over all of it. A permission of the account is
    /// over no product.
    pub fn may_within(&self, it: Permission, product: &str) -> bool {
        if it == Permission::CreateResources {
            return self.may_in(it, product);
        }
        if !it.is_of_resources() {
            return self.may(it);
        }
        self.giving(it).any(|grant| match &grant.over {
            Over::Account => true,
            Over::Product(mine) => mine == product,
            Over::Resources(listed) => listed.iter().any(|it| it.product == product),
        })
    }
}

/// A resource by the platform's own id of it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ExternalResource)]
#[expect(clippy::struct_field_names, reason = "the words of the API")]
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

impl PartialSchema for Named {
    fn schema() -> RefOr<Schema> {
        let id = ObjectBuilder::new().schema_type(Type::String).description(Some("Our id."));
        let example = serde_json::json!({ "product": "video", "kind": "index", "external_id": "ix_42" });
        OneOfBuilder::new().item(id).item(External::schema()).examples([example]).into()
    }
}
impl ToSchema for Named {
    fn name() -> Cow<'static, str> {
        "NamedResource".into()
    }
}

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Named, D::Error> {
        struct Either;
        impl<'de> de::Visitor<'de> for Either {
            type Value = Named;
            fn expecting(&self, to: &mut fmt::Formatter) -> fmt::Result {
                to.write_str("a resource's id, or {product, kind, external_id}")
            }
            fn visit_str<E: de::Error>(self, id: &str) -> Result<Named, E> {
                Ok(id.parse().map_or(Named::Nothing, Named::Id))
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Named, A::Error> {
                let it = External::deserialize(de::value::MapAccessDeserializer::new(map))?;
                let External { product, kind, external_id } = it;
                // Nothing that is kept has a NUL in it, and Postgres takes none.
                if [&product, &kind, &external_id].iter().any(|it| it.contains('\0')) {
                    return Ok(Named::Nothing);
                }
                Ok(Named::External { product, kind, external_id })
            }
        }
        from.deserialize_any(Either)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{grant::Listed, role::BuiltIn};

    fn seat(grants: Vec<Grant>) -> Seat {
        let home = Home {
            id: AccountId(Uuid::from_u128(1)),
            slug: "acme".into(),
            kind: Kind::Organization,
            plan: "free".into(),
            payer: AccountId(Uuid::from_u128(1)),
            is_under_organization: false,
        };
        Seat {
            home: Arc::new(home),
            user: Some((UserId(Uuid::from_u128(9)), "ada@acme.test".into())),
            own: Some(Term::Until(Time(100))),
            above: None,
            rights: Arc::new(Rights::of(grants)),
        }
    }

    #[test]
    fn what_time_does_is_judged_at_each_answer() {
        let until = Grant { expires_at: Some(Time(20)), ..Grant::whole(BuiltIn::Admin, true) };
        let known = Known {
            id: KeyId(Uuid::nil()),
            is_revoked: false,
            expires_at: Some(Time(200)),
            seat: seat(vec![until, Grant::whole(BuiltIn::Accountant, true)]),
            spent_until: Some(Time(50)),
        };
        let seat = &known.seat;
        assert_eq!(known.fault(Time(99)), None);
        assert_eq!(known.fault(Time(100)), Some(Verdict::Suspended));
        assert_eq!(known.fault(Time(200)), Some(Verdict::Expired));
        let asked = Asked { permission: Some(Permission::ViewMembers), product: None };
        assert!(seat.allows(&asked, None, Time(20)) && !seat.allows(&asked, None, Time(21)));
        assert_eq!(seat.roles(Time(20)), ["admin", "accountant"]);
        assert_eq!(seat.roles(Time(21)), ["accountant"]);
        assert!(known.is_spent(Time(49)) && !known.is_spent(Time(50)));
    }

    #[test]
    fn a_product_is_reached_in_part_or_whole() {
        let listed = vec![Listed { id: ResourceId(Uuid::from_u128(5)), product: "video".into() }];
        let some =
            seat(vec![Grant { over: Over::Resources(listed), ..Grant::whole(BuiltIn::Developer, true) }]);
        let may = |it, product: &str| {
            let asked = Asked { permission: Some(it), product: Some(product.into()) };
            some.allows(&asked, None, Time(0))
        };
        assert!(may(Permission::RunResources, "video") && !may(Permission::RunResources, "image"));
        assert!(!may(Permission::CreateResources, "video"));
        assert!(may(Permission::ViewAccount, "image"));
        assert!(!some.allows(&Asked::default(), Some(None), Time(0)));
    }

    #[test]
    fn a_resource_is_named_in_two_ways() {
        let read = |text: &str| serde_json::from_str::<Named>(text);
        let id = Uuid::from_u128(5);
        assert_eq!(read(&format!("\"{id}\"")).unwrap(), Named::Id(ResourceId(id)));
        assert_eq!(read("\"nonsense\"").unwrap(), Named::Nothing);
        assert!(read(r#"{"product":"video","kind":"index","external_id":"x"}"#).is_ok());
        for bad in
            ["7", "[]", r#"{"product":"video"}"#, r#"{"product":"v","kind":"k","external_id":"e","x":1}"#]
        {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
