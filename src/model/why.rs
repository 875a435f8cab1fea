//! Explains why something is allowed or not, grant by grant, with the functions that decide it; and what would allow it.
use super::{
    grant::{Grant, GrantMatch, GrantScope, KeyLimit, Rights, Role, ScopedResource},
    id::{RoleId, UserId},
    permission::{Permission, Permissions},
    resource::ResourceTarget,
    role::{BuiltIn, ScopeKind},
};

#[derive(Clone, Debug)]
pub struct Explanation {
    pub permission: Permission,
    /// The grant that allows it.
    pub allowed_by: Option<Grant>,
    /// The limit of the API key that forbids it, whatever its member holds.
    pub limit: Option<KeyLimit>,
    /// Whether the resource is visible; true if the question is about none.
    pub sees: bool,
    /// Whether it is a private resource of somebody else.
    pub is_hidden: bool,
    /// How each grant matches, in order.
    pub matches: Vec<(Grant, GrantMatch)>,
}

impl Explanation {
    /// For somebody who may not enter the account.
    pub fn without_access(permission: Permission) -> Explanation {
        Explanation {
            permission,
            allowed_by: None,
            limit: None,
            sees: false,
            is_hidden: false,
            matches: vec![],
        }
    }
    pub fn allowed(&self) -> bool {
        self.allowed_by.is_some()
    }
    /// The missing permission, unless it is allowed.
    pub fn missing(&self) -> Option<Permission> {
        let holds =
            self.limit.is_none() && self.matches.iter().any(|(_, result)| *result == GrantMatch::Allows);
        match (self.allowed(), holds && !self.is_hidden) {
            (true, _) => None,
            (false, true) => Some(Permission::ViewResources),
            (false, false) => Some(self.permission),
        }
    }
}

/// Explains the result of `Rights::may`, or of `Rights::may_at` for a resource.
pub fn explain(
    who: UserId,
    rights: &Rights,
    permission: Permission,
    at: Option<&ResourceTarget<'_>>,
) -> Explanation {
    let on = at.map(ResourceTarget::as_scoped);
    let (sees, is_hidden) =
        at.map_or((true, false), |at| (rights.sees(Some(who), at), !rights.is_shown(Some(who), at)));
    Explanation {
        permission,
        allowed_by: rights.allowing(permission, on.as_ref()).filter(|_| sees).cloned(),
        limit: rights.key_admits(permission, on.as_ref()).err(),
        sees,
        is_hidden,
        matches: rights
            .grants
            .iter()
            .map(|grant| (grant.clone(), grant.evaluate(permission, on.as_ref())))
            .collect(),
    }
}

#[derive(Clone, Debug)]
pub struct CustomRole {
    pub id: RoleId,
    pub name: String,
    pub permissions: Permissions,
}

/// The roles that can be granted, and the products that they can be granted over.
#[derive(Clone, Debug, Default)]
pub struct GrantableRoles {
    /// Of the catalogue.
    pub products: Vec<String>,
    pub custom: Vec<CustomRole>,
    pub admins_may_delete: bool,
}

impl GrantableRoles {
    fn roles(&self) -> impl Iterator<Item = (Role, Permissions, ScopeKind)> {
        let built_in = BuiltIn::GRANTABLE
            .iter()
            .map(|role| (Role::BuiltIn(*role), role.permissions(self.admins_may_delete), role.scope_kind()));
        let custom = self.custom.iter();
        let custom = custom
            .map(|role| (Role::Custom(role.id, role.name.clone()), role.permissions, ScopeKind::Anything));
        built_in.chain(custom)
    }
    /// The roles with a permission, narrowest first, and the owner last.
    pub fn holding(&self, permission: Permission) -> Vec<Role> {
        let mut all: Vec<_> = self.roles().filter(|(_, allows, _)| allows.has(permission)).collect();
        all.sort_by_key(|(_, allows, _)| allows.iter().count());
        all.into_iter().map(|(role, ..)| role).chain([Role::BuiltIn(BuiltIn::Owner)]).collect()
    }
    /// The grants that would allow it, narrowest first. `is_source` tells whether grants of the source-specific role may list the
    /// resource.
    pub fn allowing(
        &self,
        permission: Permission,
        on: Option<&ScopedResource>,
        is_source: bool,
    ) -> Vec<Grant> {
        let mut all: Vec<Grant> = vec![];
        for (role, allows, reaches) in self.roles().filter(|(_, allows, _)| allows.has(permission)) {
            let listed = on.filter(|_| match reaches {
                ScopeKind::Resources => is_source,
                kind => kind == ScopeKind::Anything,
            });
            let by_product = matches!(reaches, ScopeKind::Products | ScopeKind::Anything);
            let products = self.products.iter().filter(|_| by_product).cloned().map(GrantScope::Product);
            let whole = (reaches != ScopeKind::Resources).then_some(GrantScope::Account);
            let scopes = listed.map(|resource| GrantScope::Resources(vec![resource.clone()])).into_iter();
            let grants = scopes.chain(products).chain(whole).map(|over| Grant {
                id: None,
                role: role.clone(),
                over,
                allows,
                expires_at: None,
            });
            all.extend(grants.filter(|grant| grant.evaluate(permission, on) == GrantMatch::Allows));
        }
        let width = |grant: &Grant| match grant.over {
            GrantScope::Resources(_) => 0,
            GrantScope::Product(_) => 1,
            GrantScope::Account => 2,
        };
        all.sort_by_key(|grant| (width(grant), grant.allows.iter().count()));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{id::ResourceId, resource::Visibility};
    use uuid::Uuid;

    fn video() -> ResourceTarget<'static> {
        let (id, visibility) = (ResourceId(Uuid::from_u128(1)), Visibility::Shared);
        ResourceTarget { product: "video", id, visibility, creator: None }
    }
    fn offer() -> GrantableRoles {
        let products = vec!["video".into(), "image".into()];
        GrantableRoles { products, custom: vec![], admins_may_delete: true }
    }

    #[test]
    fn explanations_agree_with_decisions() {
        let analyst =
            Grant { over: GrantScope::Product("video".into()), ..Grant::whole(BuiltIn::Analyst, true) };
        let accountant = Grant::whole(BuiltIn::Accountant, true);
        let rights = Rights::of(vec![accountant, analyst]);
        let (who, on) = (UserId(Uuid::nil()), video());
        let private = ResourceTarget { visibility: Visibility::Private, ..on };
        for permission in Permission::ALL {
            let answer = explain(who, &rights, *permission, None);
            assert_eq!(answer.allowed(), rights.may(*permission));
            assert_eq!(answer.missing().is_none(), rights.may(*permission));
            for at in [on, private] {
                assert_eq!(
                    explain(who, &rights, *permission, Some(&at)).allowed(),
                    rights.may_at(Some(who), *permission, &at)
                );
            }
        }
        let answer = explain(who, &rights, Permission::DeleteResources, Some(&on));
        assert!(answer.matches.iter().all(|(_, result)| *result == GrantMatch::MissingPermission));
        let answer = explain(who, &rights, Permission::ViewAnalytics, Some(&on));
        assert_eq!(answer.allowed_by.map(|grant| grant.label()).as_deref(), Some("video-analyst"));
        assert!(explain(who, &rights, Permission::ViewAnalytics, Some(&private)).is_hidden);
    }

    #[test]
    fn suggestions_begin_with_the_narrowest() {
        let labels = |permission, on: Option<&ScopedResource>, is_source| -> Vec<String> {
            offer().allowing(permission, on, is_source).iter().map(Grant::label).collect()
        };
        let on = video().as_scoped();
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
