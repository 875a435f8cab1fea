//! Roles: those that every account has, and the organization's own.
use super::list::{Ask, List};
use crate::{
    app::{gate::Key, routes::Routes},
    error::Result,
    model::{
        permission::{Permissions, ViewMembers},
        role::BuiltIn,
    },
    store::roles::{self, Held},
};
use serde::{Deserialize, Serialize};

/// The calls.
pub fn routes() -> Routes {
    Routes::default().get("/api/v1/accounts/{slug}/roles", list)
}

#[derive(Serialize)]
struct Role {
    id: String,
    name: String,
    description: String,
    built_in: bool,
    permissions: Permissions,
    holders: i64,
}

impl Role {
    fn built_in(it: BuiltIn, admins_may_delete: bool, held: &[Held]) -> Role {
        Role {
            id: it.word().to_owned(),
            name: it.title().to_owned(),
            description: it.says().to_owned(),
            built_in: true,
            permissions: it.permissions(admins_may_delete),
            holders: count(held, |had| had.role.as_deref() == Some(it.word())),
        }
    }
    fn custom(it: roles::Role, held: &[Held]) -> Role {
        Role {
            id: it.id.to_string(),
            holders: count(held, |had| had.role_id == Some(it.id)),
            name: it.name,
            description: it.description,
            built_in: false,
            permissions: it.permissions,
        }
    }
}

fn count(held: &[Held], is_it: impl Fn(&&Held) -> bool) -> i64 {
    held.iter().find(is_it).map_or(0, |it| it.holders)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {}

/// The built-in ones first, then the organization's own by name: few enough to be read at once and cut here.
async fn list(key: Key<ViewMembers>, ask: Ask<Wish>) -> Result<List<Role>> {
    let Wish {} = ask.filter;
    let mut scope = key.read().await?;
    let held = roles::holders(&mut scope).await?;
    let own = roles::list(&mut scope).await?;
    let admins_may_delete = key.me().here.admins_may_delete;
    let built_in = std::iter::once(BuiltIn::Owner).chain(BuiltIn::GRANTABLE.iter().copied());
    let all: Vec<Role> = built_in
        .map(|it| Role::built_in(it, admins_may_delete, &held))
        .chain(own.into_iter().map(|it| Role::custom(it, &held)))
        .collect();
    let from = ask.after_by(|after| all.iter().position(|it| it.id == after))?.map_or(0, |it| it + 1);
    let rest = all.into_iter().skip(from).collect();
    Ok(ask.page(rest, |it| it.id.clone(), |it| it))
}
