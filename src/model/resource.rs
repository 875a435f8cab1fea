//! Resources of the platform: where they are, who sees them, and what lists may show.
use super::{
    access::Entry,
    grant::{Listed, Over, Rights, Role},
    id::{ResourceId, UserId},
    permission::{Needs, Permission, ViewResources},
    role::BuiltIn,
    text::{Refusal, fold, name_words, refuse},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Who sees a resource, besides needing the permission.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, sqlx::Type, Serialize, Deserialize, ToSchema)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    /// Everybody who holds the permission over it.
    #[default]
    Shared,
    /// Its creator and administrators alone.
    Private,
}

impl Visibility {
    /// `shared`.
    pub const fn word(self) -> &'static str {
        match self {
            Visibility::Shared => "shared",
            Visibility::Private => "private",
        }
    }
    /// By its word.
    pub fn parse(word: &str) -> Option<Visibility> {
        [Visibility::Shared, Visibility::Private].into_iter().find(|it| it.word() == word)
    }
}

/// The platform's own id of a resource: one line of 1 to 200 visible characters.
#[derive(Clone, Debug, PartialEq, Eq, ToSchema)]
#[schema(value_type = String, min_length = 1, max_length = 200, pattern = r"^[!-~]+$", example = "vid_8f2c")]
pub struct ExternalId(String);

impl ExternalId {
    /// Trims.
    pub fn parse(text: &str) -> Result<ExternalId, Refusal> {
        let id = text.trim();
        if id.is_empty() {
            return refuse("required", "Enter the platform's own id.");
        }
        if id.chars().count() > 200 {
            return refuse("too_long", "An external id has at most 200 characters.");
        }
        if id.chars().any(|it| it.is_control() || it.is_whitespace()) {
            return refuse("invalid", "An external id has no spaces and no control characters.");
        }
        Ok(ExternalId(id.to_owned()))
    }
    /// As typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a resource is found by, all of it folded: the external id, and the name from each of its words on.
pub fn search_words(name: &str, external_id: &str) -> Vec<String> {
    let mut words = name_words(name);
    words.push(fold(external_id).chars().take(64).collect());
    words.sort();
    words.dedup();
    words
}

/// Where something is, as far as rights need to know it.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Its product.
    pub product: &'a str,
    /// Its id.
    pub id: ResourceId,
    /// Who sees it.
    pub visibility: Visibility,
    /// Who made it, if they are still a user.
    pub creator: Option<UserId>,
}

impl Place<'_> {
    /// As a grant knows it.
    pub fn listed(&self) -> Listed {
        Listed { id: self.id, product: self.product.to_owned() }
    }
}

/// Something that a grant can reach or leave out. Who may not `See` it is told that it does not exist.
pub trait Located {
    /// What it takes to see it.
    type See: Needs;
    /// Where it is.
    fn place(&self) -> Place<'_>;
}

/// What a list may show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Everything.
    pub all: bool,
    /// All of these products.
    pub products: Vec<String>,
    /// These.
    pub ids: Vec<Uuid>,
    /// Nothing but these: what an API key was made for.
    pub only: Option<Vec<Uuid>>,
    /// Everybody's private ones too, not only one's own.
    pub private: bool,
}

impl Rights {
    /// The owner, or who holds the admin role over the whole account: leaders of the organization above a team do.
    pub fn is_administrator(&self) -> bool {
        let leads = |it: &Role| matches!(it, Role::BuiltIn(BuiltIn::Owner | BuiltIn::Admin));
        self.grants.iter().any(|it| it.over == Over::Account && leads(&it.role))
    }
    /// Whether `who`, holding these rights, is shown it, if a permission reaches it: private resources are their creator's
    /// and the administrators' alone. `reach` says the same to lists.
    pub fn is_shown(&self, who: UserId, at: &Place<'_>) -> bool {
        at.visibility == Visibility::Shared || at.creator == Some(who) || self.is_administrator()
    }
    /// Whether `who`, holding these rights, sees it.
    pub fn sees(&self, who: UserId, at: &Place<'_>) -> bool {
        self.is_shown(who, at) && self.may_on(Permission::ViewResources, at.product, at.id)
    }
    /// Whether `who`, holding these rights, may do it there: nobody does anything to what they do not see.
    pub fn may_at(&self, who: UserId, it: Permission, at: &Place<'_>) -> bool {
        self.sees(who, at) && self.may_on(it, at.product, at.id)
    }
    /// Over a product as a whole: enough to make something new in it.
    pub fn may_in(&self, it: Permission, product: &str) -> bool {
        let reach = self.reach(it);
        reach.only.is_none() && (reach.all || reach.products.iter().any(|it| it == product))
    }
    /// Over what the permission is held.
    pub fn reach(&self, it: Permission) -> Reach {
        let only = self.only_resources.as_ref().map(|all| all.iter().map(|it| it.0).collect());
        let mut reach = Reach { only, private: self.is_administrator(), ..Reach::default() };
        for grant in self.giving(it) {
            match &grant.over {
                Over::Account => reach.all = true,
                Over::Product(product) => reach.products.push(product.clone()),
                Over::Resources(listed) => reach.ids.extend(listed.iter().map(|it| it.id.0)),
            }
        }
        reach
    }
}

impl Entry {
    /// Over this very thing.
    pub fn may_on(&self, it: Permission, what: &impl Located) -> bool {
        self.rights.may_at(self.person.id, it, &what.place())
    }
    /// Whether they see everybody's private resources here.
    pub fn is_administrator(&self) -> bool {
        self.rights.is_administrator()
    }
    /// An organization's administrators act in its teams too, and see their resources in its lists.
    pub fn leads_teams(&self) -> bool {
        self.here.kind == super::account::Kind::Organization && self.is_administrator()
    }
    /// Whether they may make something new in a product.
    pub fn may_create_in(&self, product: &str) -> bool {
        self.rights.may_in(Permission::CreateResources, product)
    }
}

/// A place that stands for itself, in questions about what is not loaded as a whole.
impl Located for Place<'_> {
    type See = ViewResources;
    fn place(&self) -> Place<'_> {
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
    fn held(role: BuiltIn, over: Over) -> Rights {
        Rights::of(vec![Grant { over, ..Grant::whole(role, true) }])
    }

    #[test]
    fn a_private_resource_is_its_creators_and_the_administrators() {
        let at =
            Place { product: "video", id: id(1), visibility: Visibility::Private, creator: Some(user(1)) };
        let member = held(BuiltIn::Member, Over::Account);
        let see = Permission::ViewResources;
        assert!(member.may_at(user(1), see, &at));
        assert!(!member.may_at(user(2), see, &at));
        assert!(member.may_at(user(2), see, &Place { visibility: Visibility::Shared, ..at }));
        assert!(held(BuiltIn::Admin, Over::Account).may_at(user(2), see, &at));
        // To have made it is not enough.
        assert!(!held(BuiltIn::Accountant, Over::Account).may_at(user(1), see, &at));
        assert!(!held(BuiltIn::Developer, Over::Product("image".into())).may_at(user(1), see, &at));
        // Nobody's: administrators alone.
        assert!(!member.may_at(user(1), see, &Place { creator: None, ..at }));
    }

    #[test]
    fn what_is_new_needs_the_whole_product() {
        let create = Permission::CreateResources;
        let video = held(BuiltIn::Developer, Over::Product("video".into()));
        assert!(video.may_in(create, "video") && !video.may_in(create, "image"));
        let mut listed =
            held(BuiltIn::Developer, Over::Resources(vec![Listed { id: id(1), product: "video".into() }]));
        assert!(!listed.may_in(create, "video"));
        assert_eq!(listed.reach(Permission::ViewResources).ids, [id(1).0]);
        listed.only_resources = Some(vec![]);
        assert_eq!(listed.reach(Permission::ViewResources).only, Some(vec![]));
        let keyed = Rights { only_resources: Some(vec![id(1)]), ..held(BuiltIn::Admin, Over::Account) };
        assert!(!keyed.may_in(create, "video"));
    }

    #[test]
    fn external_ids_are_one_word() {
        assert_eq!(ExternalId::parse(" s3://nl-raw ").unwrap().as_str(), "s3://nl-raw");
        for bad in ["", " ", "a b", "a\u{7}", &"x".repeat(201)] {
            assert!(ExternalId::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(search_words("Rough cut", "VID_1"), ["cut", "rough cut", "vid_1"]);
    }
}
