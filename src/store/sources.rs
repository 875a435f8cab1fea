//! Sources: the resources that a source-specific role may list.
use super::Scope;
use crate::{
    db::List,
    error::Result,
    model::{id::ResourceId, permission::Permission},
};
use uuid::Uuid;

/// A resource that can be chosen.
#[derive(Clone, Debug, sqlx::FromRow)]
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

/// The account's sources by name, those chosen already first; with `search`, only others whose name holds it. One more than
/// `MOST` says that there are more. Private ones are their maker's to offer.
pub async fn list(scope: &mut Scope, search: &str, chosen: &[Uuid]) -> Result<Vec<Source>> {
    let catalog = scope.kit().catalog.clone();
    let kinds: Vec<String> = catalog.kinds.iter().filter(|it| it.is_source).map(|it| it.id.clone()).collect();
    offer(scope, Some(&kinds), search, chosen).await
}

/// The same of all kinds: what a key can be made for. Private ones are offered to administrators too.
pub async fn any(scope: &mut Scope, search: &str, chosen: &[Uuid]) -> Result<Vec<Source>> {
    offer(scope, None, search, chosen).await
}

async fn offer(
    scope: &mut Scope,
    kinds: Option<&[String]>,
    search: &str,
    chosen: &[Uuid],
) -> Result<Vec<Source>> {
    let escaped: String = search
        .trim()
        .to_lowercase()
        .chars()
        .flat_map(|it| "\\%_".contains(it).then_some('\\').into_iter().chain([it]))
        .collect();
    let (like, me) = (format!("%{escaped}%"), scope.who().person.id);
    let private = kinds.is_none() && scope.who().is_administrator();
    let sql = "select id, product, kind, name from resources
        where account_id = $1 and ($7 or kind = any($2::text[])) and ($8 or visibility = 'shared' or created_by = $3)
            and (lower(name) like $4 escape '\\' or id = any($5::uuid[]))
        order by case when id = any($5::uuid[]) then 0 else 1 end, name, id limit $6";
    let most = i64::try_from(MOST).unwrap_or(0) + 1;
    let found: Vec<Source> = scope
        .ask(sql)
        .bind(List(kinds.unwrap_or_default()))
        .bind(me)
        .bind(like)
        .bind(List(chosen))
        .bind(most)
        .bind(kinds.is_none())
        .bind(private)
        .all()
        .await?;
    let rights = &scope.who().rights;
    let mine = |it: &Source| rights.may_on(Permission::ViewResources, &it.product, it.id);
    Ok(found.into_iter().filter(mine).collect())
}
