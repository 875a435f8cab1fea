//! Usage: reported events, the dimensions of reports, and how much of it a member may see.
pub mod event;

use super::{access::Access, id::UserId, permission::Permission};
use uuid::Uuid;

/// What usage is grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dimension {
    Day,
    Product,
    /// The owner of the key.
    Member,
    Key,
    /// The team that used it.
    Team,
    Model,
    Resource,
}

impl Dimension {
    /// In the order of columns.
    pub const ALL: [Dimension; 7] = [
        Dimension::Day,
        Dimension::Product,
        Dimension::Member,
        Dimension::Key,
        Dimension::Team,
        Dimension::Model,
        Dimension::Resource,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Dimension::Day => "day",
            Dimension::Product => "product",
            Dimension::Member => "member",
            Dimension::Key => "key",
            Dimension::Team => "team",
            Dimension::Model => "model",
            Dimension::Resource => "resource",
        }
    }
    pub const fn plural(self) -> &'static str {
        match self {
            Dimension::Day => "Days",
            Dimension::Product => "Products",
            Dimension::Member => "Members",
            Dimension::Key => "API keys",
            Dimension::Team => "Teams",
            Dimension::Model => "Models",
            Dimension::Resource => "Resources",
        }
    }
    pub fn parse(text: &str) -> Option<Dimension> {
        Dimension::ALL.into_iter().find(|dimension| dimension.as_str() == text)
    }
}

/// The part of an account's usage that a member may see: the union of the fields, within `only`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VisibleUsage {
    pub all: bool,
    pub products: Vec<String>,
    pub resources: Vec<Uuid>,
    /// The usage of this user's keys.
    pub own: Option<UserId>,
    /// The resources that the API key is limited to, if it is.
    pub only: Option<Vec<Uuid>>,
    /// Includes the usage of teams.
    pub teams: bool,
}

impl VisibleUsage {
    /// Fails with a missing permission if nothing is visible.
    pub fn of(access: &Access) -> Result<VisibleUsage, Permission> {
        let analytics = access.rights.reach(Permission::ViewAnalytics);
        let all =
            access.may(Permission::ViewUsage) || (analytics.all && access.may(Permission::ViewAnalytics));
        let own = access.user_id().filter(|_| access.may(Permission::OwnKeys));
        let visible = VisibleUsage {
            all,
            products: analytics.products,
            resources: analytics.ids,
            own,
            only: analytics.only,
            teams: access.leads_teams() && access.may(Permission::ViewUsage),
        };
        if visible.is_empty() { Err(Permission::ViewUsage) } else { Ok(visible) }
    }
    fn is_empty(&self) -> bool {
        !self.all && self.products.is_empty() && self.resources.is_empty() && self.own.is_none()
    }
    /// Whether it is limited to one's own keys.
    pub fn is_own(&self) -> bool {
        !self.all && self.products.is_empty() && self.resources.is_empty()
    }
}
