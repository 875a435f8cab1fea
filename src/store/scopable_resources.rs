//! Sources: the resources that a source-specific role may list.
use super::{
    Scope, json,
    roles::{self, Role},
};
use crate::{
    db::{List, Query},
    error::Result,
    model::{
        access::Entry,
        id::ResourceId,
        permission::{Permission, Permissions},
    },
};
use serde::Deserialize;
use uuid::Uuid;

/// A resource that can be chosen.
#[derive(Clone, Debug, Deserialize, sqlx::FromRow)]
pub struct Source {
    /// Its id.
    pub id: ResourceId,
    /// Its product's word.
    pub product: String,
    /// Its kind's word.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// How many are offered at once.
pub const MOST: usize = 100;

// What is chosen comes first, whatever kind it is of; `$held`: what else counts as chosen.
macro_rules! offered {
    ($kinds:literal, $me:literal, $like:literal, $chosen:literal, $held:literal) => {
        concat!(
            "(select cast(json_agg(json_build_object('id', encode(uuid_send(s.id), 'hex'), 'product', s.product, 'kind', s.kind,
                    'name', s.name)) as text)
                from (select t.id, t.product, t.kind, t.name,
                        case when t.id = any(", $chosen, "::uuid[]) or ", $held, " then 0 else 1 end as rank
                    from resources t
                    where t.account_id = $1 and (t.visibility = 'shared' or t.created_by = ", $me, ")
                        and ((t.kind = any(", $kinds, "::text[]) and lower(t.name) like ", $like, " escape '\\')
                            or t.id = any(", $chosen, "::uuid[]) or ", $held, ")
                    order by rank, t.name, t.id limit 101) s)"
        )
    };
}
pub(super) use offered;

/// What `offered!` is bound to, in its order.
pub(super) struct Terms<'a> {
    kinds: Vec<String>,
    me: Uuid,
    like: String,
    chosen: &'a [Uuid],
}

impl<'a> Terms<'a> {
    pub(super) fn of(scope: &Scope, search: &str, chosen: &'a [Uuid]) -> Terms<'a> {
        let kinds = scope.kit().catalog.kinds.iter().filter(|it| it.is_source);
        let escaped: String = search
            .trim()
            .to_lowercase()
            .chars()
            .flat_map(|it| "\\%_".contains(it).then_some('\\').into_iter().chain([it]))
            .collect();
        let kinds = kinds.map(|it| it.id.clone()).collect();
        Terms { kinds, me: scope.who().person.id.0, like: format!("%{escaped}%"), chosen }
    }
    pub(super) fn bind<'q>(&self, query: Query<'q>) -> Query<'q> {
        query.bind(List(&self.kinds)).bind(self.me).bind(self.like.clone()).bind(List(self.chosen))
    }
}

/// Reads what `offered!` answers: what the visitor does not see is left out. One more than `MOST` says that there are more.
pub(super) fn read(told: Option<String>, who: &Entry) -> Result<Vec<Source>> {
    let all: Vec<Source> = json::list(told)?;
    let sees = |it: &Source| who.rights.may_on(Permission::ViewResources, &it.product, it.id);
    Ok(all.into_iter().filter(sees).collect())
}

/// The account's sources by name, those chosen already first; with `search`, only others whose name holds it. One more than
/// `MOST` says that there are more. Private ones are their maker's to offer.
pub async fn list(scope: &mut Scope, search: &str, chosen: &[Uuid]) -> Result<Vec<Source>> {
    let terms = Terms::of(scope, search, chosen);
    let sql = concat!("select ", offered!("$2", "$3", "$4", "$5", "false"));
    let (json,): (Option<String>,) = terms.bind(scope.ask(sql)).fetch_one().await?;
    read(json, scope.who())
}

#[derive(Deserialize)]
struct RoleRow {
    id: crate::model::id::RoleId,
    name: String,
    description: String,
    permissions: String,
}

/// The custom roles that can be granted, and the sources: one statement.
pub async fn with_roles(
    scope: &mut Scope,
    search: &str,
    chosen: &[Uuid],
) -> Result<(Vec<Role>, Vec<Source>)> {
    let (terms, top) = (Terms::of(scope, search, chosen), scope.who().here.top());
    let sql = concat!("select ", offered!("$2", "$3", "$4", "$5", "false"), ", (select cast(json_agg(json_build_object(
            'id', encode(uuid_send(r.id), 'hex'), 'name', r.name, 'description', r.description, 'permissions', r.permissions)) as text)
        from (select id, name, description, permissions from roles where account_id = $6 order by name limit 200) r)");
    let (sources, found): (Option<String>, Option<String>) =
        terms.bind(scope.ask(sql)).bind(top).fetch_one().await?;
    let rows: Vec<RoleRow> = json::list(found)?;
    let role = |it: RoleRow| roles::Role {
        permissions: Permissions::from_json(&it.permissions),
        id: it.id,
        name: it.name,
        description: it.description,
    };
    Ok((rows.into_iter().map(role).collect(), read(sources, scope.who())?))
}

/// The same of all kinds: what a key can be made for. Private ones are offered to administrators too.
pub async fn any(scope: &mut Scope, search: &str, chosen: &[Uuid]) -> Result<Vec<Source>> {
    let Terms { me, like, .. } = Terms::of(scope, search, chosen);
    let private = scope.who().is_administrator();
    let sql = "select id, product, kind, name from resources
        where account_id = $1 and ($2 or visibility = 'shared' or created_by = $3)
            and (lower(name) like $4 escape '\\' or id = any($5::uuid[]))
        order by case when id = any($5::uuid[]) then 0 else 1 end, name, id limit $6";
    let most = i64::try_from(MOST).unwrap_or(0) + 1;
    let found: Vec<Source> =
        scope.ask(sql).bind(private).bind(me).bind(like).bind(List(chosen)).bind(most).fetch_all().await?;
    let rights = &scope.who().rights;
    let mine = |it: &Source| rights.may_on(Permission::ViewResources, &it.product, it.id);
    Ok(found.into_iter().filter(mine).collect())
}
