//! Sources: the resources that a source-specific role may list.
use super::Scope;
use crate::{
    db::List,
    error::Result,
    model::{id::ResourceId, permission::Permission},
};
use uuid::Uuid;

/// A resource that a source-specific role may list.
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
    let escaped: String = search
        .trim()
        .to_lowercase()
        .chars()
        .flat_map(|it| "\\%_".contains(it).then_some('\\').into_iter().chain([it]))
        .collect();
    let (like, me) = (format!("%{escaped}%"), scope.who().person.id);
    let sql = "select id, product, kind, name from resources
        where account_id = $1 and kind = any($2::text[]) and (visibility = 'shared' or created_by = $3)
            and (lower(name) like $4 escape '\\' or id = any($5::uuid[]))
        order by case when id = any($5::uuid[]) then 0 else 1 end, name, id limit $6";
    let most = i64::try_from(MOST).unwrap_or(0) + 1;
    let query = scope.ask(sql).bind(List(&kinds)).bind(me).bind(like).bind(List(chosen)).bind(most);
    let found: Vec<Source> = query.all().await?;
    let rights = &scope.who().rights;
    let mine = |it: &Source| rights.may_on(Permission::ViewResources, &it.product, it.id);
    Ok(found.into_iter().filter(mine).collect())
}
