//! What an inviter can choose from: the roles that they may grant themselves, the products, the sources.
use super::invite::Typed;
use crate::{
    error::Result,
    model::{
        access::Entry,
        grant::{Grant, Listed, Over, Role},
        permission::Permissions,
        role::{BuiltIn, Reaches},
    },
    store::{
        Scope, roles,
        scopable_resources::{self, Source},
    },
};

/// A role that may be granted.
pub struct Choice {
    pub value: String,
    pub title: String,
    pub says: String,
    pub reach: &'static str,
}

/// A source that a source-specific role may list.
pub struct Offered {
    pub id: String,
    pub name: String,
    pub kind: String,
    pub chosen: bool,
}

/// All of it.
pub struct Choices {
    pub roles: Vec<Choice>,
    /// Words and names.
    pub products: Vec<(String, String)>,
    pub sources: Vec<Offered>,
    pub more_sources: bool,
}

impl Choices {
    /// Two statements: the custom roles, the sources.
    pub async fn of(scope: &mut Scope, typed: &Typed) -> Result<Choices> {
        let catalog = scope.kit().catalog.clone();
        let custom = roles::list(scope).await?;
        let mut found =
            scopable_resources::list(scope, &typed.find, &typed.resource_ids().unwrap_or_default()).await?;
        let more_sources = found.len() > scopable_resources::MOST;
        found.truncate(scopable_resources::MOST);
        let who = scope.who();
        let products = catalog.products.iter().map(|it| (it.id.clone(), it.name.clone())).collect::<Vec<_>>();
        let grantable =
            |role: &Role, allows, reaches| may_grant(who, role, allows, reaches, &products, &found);
        let mut roles = vec![];
        for it in BuiltIn::GRANTABLE {
            let allows = it.permissions(who.here.admins_may_delete);
            if grantable(&Role::BuiltIn(*it), allows, it.reaches()) {
                let (value, title, says) = (it.word().into(), it.title().into(), it.says().into());
                roles.push(Choice { value, title, says, reach: reach(it.reaches()) });
            }
        }
        for it in custom {
            let role = Role::Custom(it.id, it.name.clone());
            if grantable(&role, it.permissions, Reaches::Anything) {
                let whole =
                    Grant { id: None, role, over: Over::Account, allows: it.permissions, expires_at: None };
                let says = if it.description.is_empty() { whole.says() } else { it.description };
                let (value, title) = (it.id.to_string(), it.name);
                roles.push(Choice { value, title, says, reach: reach(Reaches::Anything) });
            }
        }
        let offered = |it: Source| {
            let kind = catalog.kinds.iter().find(|kind| kind.id == it.kind);
            let id = it.id.to_string();
            Offered {
                chosen: typed.resources.contains(&id),
                kind: kind.map_or(it.kind, |it| it.name.clone()),
                name: it.name,
                id,
            }
        };
        let sources = found.into_iter().map(offered).collect();
        Ok(Choices { roles, products, sources, more_sources })
    }
}

fn reach(it: Reaches) -> &'static str {
    match it {
        Reaches::Account => "account",
        Reaches::Resources => "sources",
        Reaches::Products | Reaches::Anything => "product",
    }
}

/// Over some scope at least. Whether over the one that is chosen in the end is asked again when it is granted.
fn may_grant(
    who: &Entry,
    role: &Role,
    allows: Permissions,
    reaches: Reaches,
    products: &[(String, String)],
    found: &[Source],
) -> bool {
    let listed = |it: &Source| Listed { id: it.id, product: it.product.clone() };
    let by_product = || products.iter().map(|it| Over::Product(it.0.clone())).collect::<Vec<_>>();
    let scopes = match reaches {
        Reaches::Account => vec![Over::Account],
        Reaches::Resources if found.is_empty() => by_product(),
        Reaches::Resources => found.iter().map(|it| Over::Resources(vec![listed(it)])).collect(),
        Reaches::Products | Reaches::Anything => std::iter::once(Over::Account).chain(by_product()).collect(),
    };
    let grant = |over| Grant { id: None, role: role.clone(), over, allows, expires_at: None };
    scopes.into_iter().any(|over| who.rights.cover(&grant(over)).is_ok())
}
