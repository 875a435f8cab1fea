//! A role held over a scope, and what a person's grants add up to.
use super::{
    id::{GrantId, ResourceId, RoleId},
    permission::{Permission, Permissions},
    role::{BuiltIn, Reaches},
    time::Time,
};

/// Which role.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// One that every account has.
    BuiltIn(BuiltIn),
    /// One that an organization made, by its name.
    Custom(RoleId, String),
}

/// A resource as far as a scope needs to know it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Listed {
    /// Which.
    pub id: ResourceId,
    /// Of which product.
    pub product: String,
}

/// What a role is held over.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Over {
    /// The whole account.
    Account,
    /// One product of it.
    Product(String),
    /// These resources.
    Resources(Vec<Listed>),
}

/// A role held over a scope.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Grant {
    /// None as long as it is not stored: an owner's, or one that is being made.
    pub id: Option<GrantId>,
    /// Which role.
    pub role: Role,
    /// Over what.
    pub over: Over,
    /// What the role allows.
    pub allows: Permissions,
    /// Until when; for good if never said.
    pub expires_at: Option<Time>,
}

impl Grant {
    /// A built-in role over the whole account.
    pub fn whole(role: BuiltIn, admins_may_delete: bool) -> Grant {
        let allows = role.permissions(admins_may_delete);
        Grant { id: None, role: Role::BuiltIn(role), over: Over::Account, allows, expires_at: None }
    }
    /// A permission over the account needs a grant over the account, whatever the role says.
    fn gives(&self, it: Permission) -> bool {
        self.allows.has(it) && (self.over == Over::Account || it.is_of_resources() || it.is_of_everyone())
    }
    /// What it says to a permission, over a resource or over anything at all.
    pub fn weigh(&self, it: Permission, on: Option<&Listed>) -> Weight {
        if !self.allows.has(it) {
            Weight::Lacks
        } else if !self.gives(it) {
            Weight::Narrow
        } else if on.is_some_and(|on| !self.reaches(&on.product, on.id)) {
            Weight::Elsewhere
        } else {
            Weight::Gives
        }
    }
    fn reaches(&self, product: &str, id: ResourceId) -> bool {
        match &self.over {
            Over::Account => true,
            Over::Product(it) => it == product,
            Over::Resources(listed) => listed.iter().any(|it| it.id == id),
        }
    }
    /// Whether all that `other` is over, this one is over too.
    fn spans(&self, other: &Over) -> bool {
        match (&self.over, other) {
            (Over::Account, _) => true,
            (Over::Product(mine), Over::Product(it)) => mine == it,
            (Over::Product(mine), Over::Resources(listed)) => listed.iter().all(|it| it.product == *mine),
            (Over::Resources(mine), Over::Resources(listed)) => listed.iter().all(|it| mine.contains(it)),
            _ => false,
        }
    }
    /// What it is called by platform people: `admin`, `video-developer`, `image-source-specific`.
    pub fn label(&self) -> String {
        let word = match &self.role {
            Role::BuiltIn(BuiltIn::ProductAdmin) if self.over != Over::Account => "admin",
            Role::BuiltIn(it) => it.word(),
            Role::Custom(_, name) => return self.custom_label(name),
        };
        match self.product() {
            Some(product) => format!("{product}-{word}"),
            None => word.to_owned(),
        }
    }
    fn custom_label(&self, name: &str) -> String {
        match &self.over {
            Over::Account => name.to_owned(),
            Over::Product(product) => format!("{name} ({product})"),
            Over::Resources(listed) if listed.len() == 1 => format!("{name} (1 resource)"),
            Over::Resources(listed) => format!("{name} ({} resources)", listed.len()),
        }
    }
    /// What it is called in the console: `Admin`, `Video developer`.
    pub fn title(&self) -> String {
        let Role::BuiltIn(role) = &self.role else { return self.label() };
        match (self.product(), role) {
            (None, _) => role.title().to_owned(),
            (Some(product), BuiltIn::ProductAdmin) => format!("{} admin", capital(product)),
            (Some(product), _) => format!("{} {}", capital(product), role.title().to_lowercase()),
        }
    }
    /// The one product that it is over, if it is over one.
    pub fn product(&self) -> Option<&str> {
        match &self.over {
            Over::Account => None,
            Over::Product(it) => Some(it),
            Over::Resources(listed) => {
                let first = &listed.first()?.product;
                listed.iter().all(|it| it.product == *first).then_some(first)
            }
        }
    }
    /// How wide the role may be granted.
    pub fn may_reach(&self) -> Reaches {
        match &self.role {
            Role::BuiltIn(it) => it.reaches(),
            Role::Custom(..) => Reaches::Anything,
        }
    }
    /// What it gives, in a sentence.
    pub fn says(&self) -> String {
        let what = match &self.role {
            Role::BuiltIn(it) => it.says().to_owned(),
            Role::Custom(..) => {
                let all: Vec<&str> = self.allows.iter().map(Permission::says).collect();
                format!("{}.", all.join("; "))
            }
        };
        match &self.over {
            Over::Account => what,
            Over::Product(product) => format!("In {product}: {what}"),
            Over::Resources(listed) if listed.len() == 1 => format!("For 1 chosen resource: {what}"),
            Over::Resources(listed) => format!("For {} chosen resources: {what}", listed.len()),
        }
    }
}

/// What one grant says to one permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// It allows it.
    Gives,
    /// The role does not hold the permission.
    Lacks,
    /// The role holds it, but it is about the whole account, which the grant is not over.
    Narrow,
    /// The role holds it, over something else.
    Elsewhere,
}

fn capital(word: &str) -> String {
    let mut all = word.chars();
    all.next().map(|it| it.to_uppercase().chain(all).collect()).unwrap_or_default()
}

/// What an API key was not made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyLimit {
    /// The permission.
    Permission,
    /// The resource.
    Resource,
}

/// What somebody may do in an account: the union of their grants, never more than their key was made for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rights {
    /// Those in force.
    pub grants: Vec<Grant>,
    /// What the API key was made for; `None` for a session.
    pub only: Option<Permissions>,
    /// The resources that the API key was made for; `None` for all.
    pub only_resources: Option<Vec<ResourceId>>,
}

impl Rights {
    /// Of these grants, by a session.
    pub fn of(grants: Vec<Grant>) -> Rights {
        Rights { grants, only: None, only_resources: None }
    }
    pub(super) fn giving(&self, it: Permission) -> impl Iterator<Item = &Grant> {
        let keyed = self.only.is_none_or(|only| only.has(it));
        self.grants.iter().filter(move |grant| keyed && grant.gives(it))
    }
    /// Over something at least: enough to open a page, not to touch a resource.
    pub fn may(&self, it: Permission) -> bool {
        self.allowing(it, None).is_some()
    }
    /// Over this resource, by the grants alone: whether it is private, `may_at` asks.
    pub fn may_on(&self, it: Permission, product: &str, id: ResourceId) -> bool {
        self.allowing(it, Some(&Listed { id, product: product.to_owned() })).is_some()
    }
    /// The first grant that allows it, over a resource or over anything at all.
    pub fn allowing(&self, it: Permission, on: Option<&Listed>) -> Option<&Grant> {
        let is_open = self.key_admits(it, on).is_ok();
        self.grants.iter().find(|grant| is_open && grant.weigh(it, on) == Weight::Gives)
    }
    /// Whether the API key was made for it. A session is made for everything.
    pub fn key_admits(&self, it: Permission, on: Option<&Listed>) -> Result<(), KeyLimit> {
        let covers = |only: &Vec<ResourceId>| on.is_none_or(|on| only.contains(&on.id));
        if self.only.is_some_and(|only| !only.has(it)) {
            Err(KeyLimit::Permission)
        } else if !self.only_resources.as_ref().is_none_or(covers) {
            Err(KeyLimit::Resource)
        } else {
            Ok(())
        }
    }
    /// Whether all that `grant` gives is held here, over all that it is over. Else, the first that is missing.
    pub fn cover(&self, grant: &Grant) -> Result<(), Permission> {
        let missing = |it: &Permission| {
            let all_of_it = !it.is_of_resources() || self.only_resources.is_none();
            let spanned = |mine: &Grant| it.is_of_everyone() || mine.spans(&grant.over);
            grant.gives(*it) && !(all_of_it && self.giving(*it).any(spanned))
        };
        match grant.allows.iter().find(missing) {
            None => Ok(()),
            Some(it) => Err(it),
        }
    }
    /// Whether all that somebody else holds is held here. Else, the first that is missing.
    pub fn cover_all(&self, grants: &[Grant]) -> Result<(), Permission> {
        grants.iter().try_for_each(|it| self.cover(it))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn listed(n: u128, product: &str) -> Listed {
        Listed { id: ResourceId(Uuid::from_u128(n)), product: product.into() }
    }
    fn grant(role: BuiltIn, over: Over) -> Grant {
        Grant { over, ..Grant::whole(role, true) }
    }

    #[test]
    fn an_account_permission_needs_the_whole_account() {
        let over_video = Over::Product("video".into());
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
        let admin = Rights::of(vec![grant(BuiltIn::Admin, Over::Account)]);
        assert_eq!(admin.cover(&Grant::whole(BuiltIn::Admin, true)), Ok(()));
        assert_eq!(admin.cover(&Grant::whole(BuiltIn::Owner, true)), Err(Permission::TransferAccount));

        let video = Rights::of(vec![grant(BuiltIn::ProductAdmin, Over::Product("video".into()))]);
        let own = Over::Resources(vec![listed(1, "video")]);
        let foreign = Over::Resources(vec![listed(1, "video"), listed(2, "image")]);
        assert_eq!(video.cover(&grant(BuiltIn::SourceSpecific, own)), Ok(()));
        assert_eq!(video.cover(&grant(BuiltIn::SourceSpecific, foreign)), Err(Permission::ViewResources));
        assert_eq!(video.cover(&grant(BuiltIn::Developer, Over::Account)), Err(Permission::ViewResources));

        let only = Some(Permissions::of(&[Permission::InviteMembers]));
        let keyed = Rights { only, ..admin };
        assert_eq!(keyed.cover(&grant(BuiltIn::Member, Over::Account)), Err(Permission::ViewAccount));
    }

    #[test]
    fn labels_are_the_platforms_words() {
        let says = |role, over| grant(role, over).label();
        assert_eq!(says(BuiltIn::Admin, Over::Account), "admin");
        assert_eq!(says(BuiltIn::ProductAdmin, Over::Account), "product-admin");
        assert_eq!(says(BuiltIn::ProductAdmin, Over::Product("video".into())), "video-admin");
        assert_eq!(says(BuiltIn::Analyst, Over::Product("image".into())), "image-analyst");
        let one = Over::Resources(vec![listed(1, "video")]);
        assert_eq!(says(BuiltIn::SourceSpecific, one), "video-source-specific");
        let two = Over::Resources(vec![listed(1, "video"), listed(2, "image")]);
        assert_eq!(says(BuiltIn::SourceSpecific, two), "source-specific");
        assert_eq!(grant(BuiltIn::Developer, Over::Product("video".into())).title(), "Video developer");
    }
}
