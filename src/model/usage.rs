//! Usage: what is reported, by what it is summed, and who sees how much of it.
pub mod event;

use super::{access::Entry, id::UserId, permission::Permission};
use uuid::Uuid;

/// By what usage is summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Axis {
    /// The day.
    Day,
    /// The product.
    Product,
    /// Who made the key.
    Member,
    /// The key.
    Key,
    /// The team whose account it was.
    Team,
    /// The model.
    Model,
    /// The resource.
    Resource,
}

impl Axis {
    /// All of them, in the order of their columns.
    pub const ALL: [Axis; 7] =
        [Axis::Day, Axis::Product, Axis::Member, Axis::Key, Axis::Team, Axis::Model, Axis::Resource];

    /// Its word: `member`.
    pub const fn word(self) -> &'static str {
        match self {
            Axis::Day => "day",
            Axis::Product => "product",
            Axis::Member => "member",
            Axis::Key => "key",
            Axis::Team => "team",
            Axis::Model => "model",
            Axis::Resource => "resource",
        }
    }
    /// As people say it, of many.
    pub const fn plural(self) -> &'static str {
        match self {
            Axis::Day => "Days",
            Axis::Product => "Products",
            Axis::Member => "Members",
            Axis::Key => "API keys",
            Axis::Team => "Teams",
            Axis::Model => "Models",
            Axis::Resource => "Resources",
        }
    }
    /// By its word.
    pub fn parse(word: &str) -> Option<Axis> {
        Axis::ALL.into_iter().find(|it| it.word() == word)
    }
}

/// How much of an account's usage somebody sees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sight {
    /// All of it.
    pub all: bool,
    /// All of these products.
    pub products: Vec<String>,
    /// That of these resources.
    pub resources: Vec<Uuid>,
    /// That of this person's keys.
    pub own: Option<UserId>,
    /// Nothing but that of these resources: what an API key was made for.
    pub only: Option<Vec<Uuid>>,
    /// The teams' too.
    pub teams: bool,
}

impl Sight {
    /// What somebody sees, where they are; what is missing if they see nothing.
    pub fn of(who: &Entry) -> Result<Sight, Permission> {
        let analytics = who.rights.reach(Permission::ViewAnalytics);
        let all = who.may(Permission::ViewUsage) || (analytics.all && who.may(Permission::ViewAnalytics));
        let own = who.may(Permission::OwnKeys).then_some(who.person.id);
        let sight = Sight {
            all,
            products: analytics.products,
            resources: analytics.ids,
            own,
            only: analytics.only,
            teams: who.leads_teams() && who.may(Permission::ViewUsage),
        };
        if sight.is_blind() { Err(Permission::ViewUsage) } else { Ok(sight) }
    }
    fn is_blind(&self) -> bool {
        !self.all && self.products.is_empty() && self.resources.is_empty() && self.own.is_none()
    }
    /// Whether it is the usage of one's own keys, and no other.
    pub fn is_own(&self) -> bool {
        !self.all && self.products.is_empty() && self.resources.is_empty()
    }
}
