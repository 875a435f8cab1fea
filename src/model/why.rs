//! Why: the same weighing by which it is decided, told grant by grant; and what would allow it.
use super::{
    grant::{Grant, KeyLimit, Listed, Over, Rights, Role, Weight},
    id::{RoleId, UserId},
    permission::{Permission, Permissions},
    resource::Place,
    role::{BuiltIn, Reaches},
};

/// Why something is allowed, or is not.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What was asked for.
    pub permission: Permission,
    /// The grant that allows it.
    pub because: Option<Grant>,
    /// What the API key was not made for, whatever its member holds.
    pub limit: Option<KeyLimit>,
    /// Whether the resource is seen at all; true where it is about none.
    pub sees: bool,
    /// Whether it is somebody else's private resource.
    pub is_hidden: bool,
    /// Each grant, in the order in which it was weighed.
    pub weighed: Vec<(Grant, Weight)>,
}

impl Answer {
    /// Nothing is held: for who may not enter.
    pub fn none(permission: Permission) -> Answer {
        Answer { permission, because: None, limit: None, sees: false, is_hidden: false, weighed: vec![] }
    }
    /// Whether it is allowed.
    pub fn allowed(&self) -> bool {
        self.because.is_some()
    }
    /// The permission that is missing, if it is not allowed.
    pub fn missing(&self) -> Option<Permission> {
        let holds = self.limit.is_none() && self.weighed.iter().any(|it| it.1 == Weight::Gives);
        match (self.allowed(), holds && !self.is_hidden) {
            (true, _) => None,
            (false, true) => Some(Permission::ViewResources),
            (false, false) => Some(self.permission),
        }
    }
}

/// Explains what `Rights::may` decides, and `Rights::may_at` where it is about a resource.
pub fn explain(who: UserId, rights: &Rights, permission: Permission, at: Option<&Place<'_>>) -> Answer {
    let on = at.map(Place::listed);
    let (sees, is_hidden) = at.map_or((true, false), |at| (rights.sees(who, at), !rights.is_shown(who, at)));
    Answer {
        permission,
        because: rights.allowing(permission, on.as_ref()).filter(|_| sees).cloned(),
        limit: rights.key_admits(permission, on.as_ref()).err(),
        sees,
        is_hidden,
        weighed: rights.grants.iter().map(|it| (it.clone(), it.weigh(permission, on.as_ref()))).collect(),
    }
}

/// A role of the organization's own.
#[derive(Clone, Debug)]
pub struct Custom {
    /// Which.
    pub id: RoleId,
    /// Its name.
    pub name: String,
    /// What it allows.
    pub permissions: Permissions,
}

/// What roles there are to give, and over what.
#[derive(Clone, Debug, Default)]
pub struct Offer {
    /// The products of the catalogue.
    pub products: Vec<String>,
    /// The organization's own roles.
    pub custom: Vec<Custom>,
    /// The account's policy.
    pub admins_may_delete: bool,
}

impl Offer {
    fn roles(&self) -> impl Iterator<Item = (Role, Permissions, Reaches)> {
        let built_in = BuiltIn::GRANTABLE
            .iter()
            .map(|it| (Role::BuiltIn(*it), it.permissions(self.admins_may_delete), it.reaches()));
        let custom = self.custom.iter();
        let custom =
            custom.map(|it| (Role::Custom(it.id, it.name.clone()), it.permissions, Reaches::Anything));
        built_in.chain(custom)
    }
    /// The roles that hold a permission, narrowest first. The owner, who holds them all, comes last.
    pub fn holding(&self, it: Permission) -> Vec<Role> {
        let mut all: Vec<_> = self.roles().filter(|(_, allows, _)| allows.has(it)).collect();
        all.sort_by_key(|(_, allows, _)| allows.iter().count());
        all.into_iter().map(|(role, ..)| role).chain([Role::BuiltIn(BuiltIn::Owner)]).collect()
    }
    /// The grants that would allow it, narrowest first. `is_source`: whether a source-specific role may list the resource.
    pub fn allowing(&self, it: Permission, on: Option<&Listed>, is_source: bool) -> Vec<Grant> {
        let mut all: Vec<Grant> = vec![];
        for (role, allows, reaches) in self.roles().filter(|(_, allows, _)| allows.has(it)) {
            let listed = on.filter(|_| match reaches {
                Reaches::Resources => is_source,
                it => it == Reaches::Anything,
            });
            let by_product = matches!(reaches, Reaches::Products | Reaches::Anything);
            let products = self.products.iter().filter(|_| by_product).cloned().map(Over::Product);
            let whole = (reaches != Reaches::Resources).then_some(Over::Account);
            let scopes = listed.map(|it| Over::Resources(vec![it.clone()])).into_iter();
            let grants = scopes.chain(products).chain(whole).map(|over| Grant {
                id: None,
                role: role.clone(),
                over,
                allows,
                expires_at: None,
            });
            all.extend(grants.filter(|grant| grant.weigh(it, on) == Weight::Gives));
        }
        let width = |it: &Grant| match it.over {
            Over::Resources(_) => 0,
            Over::Product(_) => 1,
            Over::Account => 2,
        };
        all.sort_by_key(|it| (width(it), it.allows.iter().count()));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{id::ResourceId, resource::Visibility};
    use uuid::Uuid;

    fn video() -> Place<'static> {
        let (id, visibility) = (ResourceId(Uuid::from_u128(1)), Visibility::Shared);
        Place { product: "video", id, visibility, creator: None }
    }
    fn offer() -> Offer {
        let products = vec!["video".into(), "image".into()];
        Offer { products, custom: vec![], admins_may_delete: true }
    }

    #[test]
    fn an_answer_agrees_with_what_is_decided() {
        let analyst = Grant { over: Over::Product("video".into()), ..Grant::whole(BuiltIn::Analyst, true) };
        let accountant = Grant::whole(BuiltIn::Accountant, true);
        let rights = Rights::of(vec![accountant, analyst]);
        let (who, on) = (UserId(Uuid::nil()), video());
        let private = Place { visibility: Visibility::Private, ..on };
        for it in Permission::ALL {
            let answer = explain(who, &rights, *it, None);
            assert_eq!(answer.allowed(), rights.may(*it));
            assert_eq!(answer.missing().is_none(), rights.may(*it));
            for at in [on, private] {
                assert_eq!(explain(who, &rights, *it, Some(&at)).allowed(), rights.may_at(who, *it, &at));
            }
        }
        let answer = explain(who, &rights, Permission::DeleteResources, Some(&on));
        assert!(answer.weighed.iter().all(|it| it.1 == Weight::Lacks));
        let answer = explain(who, &rights, Permission::ViewAnalytics, Some(&on));
        assert_eq!(answer.because.map(|it| it.label()).as_deref(), Some("video-analyst"));
        assert!(explain(who, &rights, Permission::ViewAnalytics, Some(&private)).is_hidden);
    }

    #[test]
    fn what_would_allow_it_comes_narrowest_first() {
        let labels = |it, on: Option<&Listed>, is_source| -> Vec<String> {
            offer().allowing(it, on, is_source).iter().map(Grant::label).collect()
        };
        let on = video().listed();
        assert_eq!(
            labels(Permission::DeleteResources, Some(&on), true),
            [
                "video-developer",
                "video-admin",
                "developer",
                "product-admin",
                "member",
                "product-admin-all",
                "admin"
            ]
        );
        assert_eq!(labels(Permission::RunResources, Some(&on), true)[0], "video-source-specific");
        assert_eq!(labels(Permission::RunResources, Some(&on), false)[0], "video-developer");
        assert_eq!(labels(Permission::ViewInvoices, None, false)[0], "accountant");
        assert_eq!(labels(Permission::TransferAccount, None, false), Vec::<String>::new());
        let holding = offer().holding(Permission::TransferAccount);
        assert_eq!(holding, [Role::BuiltIn(BuiltIn::Owner)]);
    }
}
