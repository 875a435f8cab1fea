//! What an inviter can choose from: the roles that they may grant, the products, the sources.
use super::invite::InviteForm;
use crate::{
    error::Result,
    model::{
        access::Access,
        grant::{Grant, GrantScope, Role, ScopedResource},
        permission::Permissions,
        role::{BuiltIn, ScopeKind},
    },
    store::{
        Scope, roles,
        scopable_resources::{self, ScopableResource},
    },
};

/// A role that may be granted.
pub struct RoleChoice {
    pub value: String,
    pub title: String,
    pub description: String,
    /// `account`, `product` or `sources`: what the script asks for beside it.
    pub scope: &'static str,
}

/// A source that a source-specific role may list.
pub struct SourceChoice {
    pub id: String,
    pub name: String,
    pub kind: String,
    pub selected: bool,
}

pub struct InviteChoices {
    pub roles: Vec<RoleChoice>,
    /// Ids and names.
    pub products: Vec<(String, String)>,
    pub sources: Vec<SourceChoice>,
    pub more_sources: bool,
}

impl InviteChoices {
    /// Two statements: the custom roles, the sources.
    pub async fn of(scope: &mut Scope<Access>, form: &InviteForm) -> Result<InviteChoices> {
        let catalog = scope.context().catalog.clone();
        let custom = roles::list(scope).await?;
        let mut sources =
            scopable_resources::list(scope, &form.find, &form.resource_ids().unwrap_or_default()).await?;
        let more_sources = sources.len() > scopable_resources::MOST;
        sources.truncate(scopable_resources::MOST);
        let access = scope.access();
        let products = catalog
            .products
            .iter()
            .map(|product| (product.id.clone(), product.name.clone()))
            .collect::<Vec<_>>();
        let grantable = |role: &Role, allows, scope_kind| {
            may_grant(access, role, allows, scope_kind, &products, &sources)
        };
        let mut roles = vec![];
        for role in BuiltIn::GRANTABLE {
            let allows = role.permissions(access.account.admins_may_delete);
            if grantable(&Role::BuiltIn(*role), allows, role.scope_kind()) {
                let (value, title, description) =
                    (role.as_str().into(), role.label().into(), role.description().into());
                roles.push(RoleChoice { value, title, description, scope: scope_name(role.scope_kind()) });
            }
        }
        for custom_role in custom {
            let role = Role::Custom(custom_role.id, custom_role.name.clone());
            if grantable(&role, custom_role.permissions, ScopeKind::Anything) {
                let whole = Grant {
                    id: None,
                    role,
                    over: GrantScope::Account,
                    allows: custom_role.permissions,
                    expires_at: None,
                };
                let description = if custom_role.description.is_empty() {
                    whole.description()
                } else {
                    custom_role.description
                };
                let (value, title) = (custom_role.id.to_string(), custom_role.name);
                roles.push(RoleChoice { value, title, description, scope: scope_name(ScopeKind::Anything) });
            }
        }
        let choice = |source: ScopableResource| {
            let id = source.id.to_string();
            SourceChoice {
                selected: form.resources.contains(&id),
                kind: catalog.kind_name(&source.kind).to_owned(),
                name: source.name,
                id,
            }
        };
        let sources = sources.into_iter().map(choice).collect();
        Ok(InviteChoices { roles, products, sources, more_sources })
    }
}

fn scope_name(kind: ScopeKind) -> &'static str {
    match kind {
        ScopeKind::Account => "account",
        ScopeKind::Resources => "sources",
        ScopeKind::Products | ScopeKind::Anything => "product",
    }
}

/// Whether the inviter may grant the role over some scope at least. Granting checks the chosen scope again.
fn may_grant(
    access: &Access,
    role: &Role,
    allows: Permissions,
    scope_kind: ScopeKind,
    products: &[(String, String)],
    sources: &[ScopableResource],
) -> bool {
    let listed =
        |source: &ScopableResource| ScopedResource { id: source.id, product: source.product.clone() };
    let by_product =
        || products.iter().map(|product| GrantScope::Product(product.0.clone())).collect::<Vec<_>>();
    let scopes = match scope_kind {
        ScopeKind::Account => vec![GrantScope::Account],
        ScopeKind::Resources if sources.is_empty() => by_product(),
        ScopeKind::Resources => {
            sources.iter().map(|source| GrantScope::Resources(vec![listed(source)])).collect()
        }
        ScopeKind::Products | ScopeKind::Anything => {
            std::iter::once(GrantScope::Account).chain(by_product()).collect()
        }
    };
    let grant = |over| Grant { id: None, role: role.clone(), over, allows, expires_at: None };
    scopes.into_iter().any(|over| access.rights.cover(&grant(over)).is_ok())
}
