//! Resources of the platform, and who may see them and act on them.
use super::{
    access::Access,
    grant::{GrantScope, Rights, Role, ScopedResource},
    id::{ResourceId, UserId},
    permission::{Needs, Permission, ViewResources},
    role::BuiltIn,
    text::{ValidationError, fold, name_words, refuse},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Who sees a resource, of those who hold the permission over it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, sqlx::Type, Serialize, Deserialize, ToSchema)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    /// Everyone who holds the permission over it.
    #[default]
    Shared,
    /// Its creator and administrators only.
    Private,
}

impl Visibility {
    pub const fn as_str(self) -> &'static str {
        match self {
            Visibility::Shared => "shared",
            Visibility::Private => "private",
        }
    }
    pub fn parse(text: &str) -> Option<Visibility> {
        [Visibility::Shared, Visibility::Private].into_iter().find(|visibility| visibility.as_str() == text)
    }
}

/// The platform's own id of a resource: one line of 1 to 200 visible characters.
#[derive(Clone, Debug, PartialEq, Eq, ToSchema)]
#[schema(value_type = String, min_length = 1, max_length = 200, pattern = r"^[!-~]+$", example = "vid_8f2c")]
pub struct ExternalId(String);

impl ExternalId {
    pub fn parse(text: &str) -> Result<ExternalId, ValidationError> {
        let id = text.trim();
        if id.is_empty() {
            return refuse("required", "Enter the platform's own id.");
        }
        if id.chars().count() > 200 {
            return refuse("too_long", "An external id has at most 200 characters.");
        }
        if id.chars().any(|char| char.is_control() || char.is_whitespace()) {
            return refuse("invalid", "An external id has no spaces and no control characters.");
        }
        Ok(ExternalId(id.to_owned()))
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What the search for a resource compares prefixes with, all folded: the external id, and the name from each of its words on.
pub fn search_words(name: &str, external_id: &str) -> Vec<String> {
    let mut words = name_words(name);
    words.push(fold(external_id).chars().take(64).collect());
    words.sort();
    words.dedup();
    words
}

/// What rights need to know about a resource.
#[derive(Clone, Copy, Debug)]
pub struct ResourceTarget<'a> {
    pub product: &'a str,
    pub id: ResourceId,
    pub visibility: Visibility,
    /// `None` if the user was deleted.
    pub creator: Option<UserId>,
}

impl ResourceTarget<'_> {
    pub fn as_scoped(&self) -> ScopedResource {
        ScopedResource { id: self.id, product: self.product.to_owned() }
    }
}

/// Something that a grant can reach or not. Without the permission `See` over it, one is told that it does not exist.
pub trait HasTarget {
    type See: Needs;
    fn target(&self) -> ResourceTarget<'_>;
}

/// Which resources a list may show: the union of the first three fields, within `only`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    pub all: bool,
    pub products: Vec<String>,
    pub ids: Vec<Uuid>,
    /// The resources that the API key is limited to, if it is.
    pub only: Option<Vec<Uuid>>,
    /// Includes private resources of other members.
    pub private: bool,
}

impl Rights {
    /// Whether they are the owner, or hold the admin role over the whole account. In a team, the owner and the admins of its
    /// organization hold that role.
    pub fn is_administrator(&self) -> bool {
        let is_leader = |role: &Role| matches!(role, Role::BuiltIn(BuiltIn::Owner | BuiltIn::Admin));
        self.grants.iter().any(|grant| grant.over == GrantScope::Account && is_leader(&grant.role))
    }
    /// Whether the visibility of a resource allows `user` to see it, if a permission does. `Reach` is the same rule for lists.
    pub fn is_shown(&self, user: Option<UserId>, at: &ResourceTarget<'_>) -> bool {
        at.visibility == Visibility::Shared
            || (user.is_some() && at.creator == user)
            || self.is_administrator()
    }
    pub fn sees(&self, user: Option<UserId>, at: &ResourceTarget<'_>) -> bool {
        self.is_shown(user, at) && self.may_on(Permission::ViewResources, at.product, at.id)
    }
    /// Whether `user` may do it to a resource: never to one that they do not see.
    pub fn may_at(&self, user: Option<UserId>, permission: Permission, at: &ResourceTarget<'_>) -> bool {
        self.sees(user, at) && self.may_on(permission, at.product, at.id)
    }
    /// Whether it is held over a whole product, which it takes to create something in it.
    pub fn may_in(&self, permission: Permission, product: &str) -> bool {
        let reach = self.reach(permission);
        reach.only.is_none() && (reach.all || reach.products.iter().any(|reached| reached == product))
    }
    pub fn reach(&self, permission: Permission) -> Reach {
        let only = self.only_resources.as_ref().map(|all| all.iter().map(|resource| resource.0).collect());
        let mut reach = Reach { only, private: self.is_administrator(), ..Reach::default() };
        for grant in self.grants_with(permission) {
            match &grant.over {
                GrantScope::Account => reach.all = true,
                GrantScope::Product(product) => reach.products.push(product.clone()),
                GrantScope::Resources(listed) => {
                    reach.ids.extend(listed.iter().map(|resource| resource.id.0));
                }
            }
        }
        reach
    }
}

impl Access {
    pub fn may_on(&self, permission: Permission, what: &impl HasTarget) -> bool {
        self.rights.may_at(self.user_id(), permission, &what.target())
    }
    /// Whether they see everyone's private resources here.
    pub fn is_administrator(&self) -> bool {
        self.rights.is_administrator()
    }
    /// Whether they are an administrator of an organization, and so act in its teams and see the teams' resources in its lists.
    pub fn leads_teams(&self) -> bool {
        self.account.kind == super::account::Kind::Organization && self.is_administrator()
    }
    pub fn may_create_in(&self, product: &str) -> bool {
        self.rights.may_in(Permission::CreateResources, product)
    }
}

/// For checks on a resource that is not loaded as a whole.
impl HasTarget for ResourceTarget<'_> {
    type See = ViewResources;
    fn target(&self) -> ResourceTarget<'_> {
        *self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::grant::Grant;

    fn user(n: u128) -> UserId {
        UserId(Uuid::from_u128(n))
    }
    fn id(n: u128) -> ResourceId {
        ResourceId(Uuid::from_u128(n))
    }
    fn held(role: BuiltIn, over: GrantScope) -> Rights {
        Rights::of(vec![Grant { over, ..Grant::whole(role, true) }])
    }

    #[test]
    fn only_creator_and_administrators_see_a_private_resource() {
        let at = ResourceTarget {
            product: "video",
            id: id(1),
            visibility: Visibility::Private,
            creator: Some(user(1)),
        };
        let member = held(BuiltIn::Member, GrantScope::Account);
        let see = Permission::ViewResources;
        assert!(member.may_at(Some(user(1)), see, &at));
        assert!(!member.may_at(Some(user(2)), see, &at));
        assert!(member.may_at(Some(user(2)), see, &ResourceTarget { visibility: Visibility::Shared, ..at }));
        assert!(held(BuiltIn::Admin, GrantScope::Account).may_at(Some(user(2)), see, &at));
        // Its creator needs the permission, too.
        assert!(!held(BuiltIn::Accountant, GrantScope::Account).may_at(Some(user(1)), see, &at));
        assert!(!held(BuiltIn::Developer, GrantScope::Product("image".into())).may_at(
            Some(user(1)),
            see,
            &at
        ));
        // Without a creator, only administrators see it.
        assert!(!member.may_at(Some(user(1)), see, &ResourceTarget { creator: None, ..at }));
    }

    #[test]
    fn creating_needs_the_whole_product() {
        let create = Permission::CreateResources;
        let video = held(BuiltIn::Developer, GrantScope::Product("video".into()));
        assert!(video.may_in(create, "video") && !video.may_in(create, "image"));
        let mut listed = held(
            BuiltIn::Developer,
            GrantScope::Resources(vec![ScopedResource { id: id(1), product: "video".into() }]),
        );
        assert!(!listed.may_in(create, "video"));
        assert_eq!(listed.reach(Permission::ViewResources).ids, [id(1).0]);
        listed.only_resources = Some(vec![]);
        assert_eq!(listed.reach(Permission::ViewResources).only, Some(vec![]));
        let by_key =
            Rights { only_resources: Some(vec![id(1)]), ..held(BuiltIn::Admin, GrantScope::Account) };
        assert!(!by_key.may_in(create, "video"));
    }

    #[test]
    fn external_ids_have_no_spaces() {
        assert_eq!(ExternalId::parse(" s3://nl-raw ").unwrap().as_str(), "s3://nl-raw");
        for bad in ["", " ", "a b", "a\u{7}", &"x".repeat(201)] {
            assert!(ExternalId::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(search_words("Rough cut", "VID_1"), ["cut", "rough cut", "vid_1"]);
    }
}
