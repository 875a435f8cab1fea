//! What goes when a resource goes: said before, and done then.
use super::Resource;
use crate::{
    error::Result,
    model::id::ResourceId,
    store::{Change, Scope},
};

/// What a resource takes with it when it is deleted, or leaves the account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Goes {
    /// Grants that name it, of members and of who is invited: they name it no more.
    pub grants: i64,
    /// Those of them that name nothing else: they end.
    pub ended: i64,
    /// The people whose access to it that was.
    pub people: i64,
}

const GOES: &str = "select count(*) as grants,
        coalesce(cast(sum(case when exists (select 1 from grant_resources y where y.grant_id = g.id and y.resource_id <> $1)
            then 0 else 1 end) as bigint), 0) as ended,
        count(distinct coalesce(g.membership_id, g.invitation_id)) as people
    from grant_resources x join grants g on g.id = x.grant_id where x.resource_id = $1";

/// Says what goes with a resource, now.
pub async fn goes(scope: &mut Scope, it: &Resource) -> Result<Goes> {
    Ok(scope.sql(GOES).bind(it.id).fetch_one().await?)
}

pub(super) async fn drop_from_grants(change: &mut Change, id: ResourceId) -> Result<Goes> {
    let goes: Goes = change.sql(GOES).bind(id).fetch_one().await?;
    let sql = "delete from grants where id in (select grant_id from grant_resources where resource_id = $1)
        and not exists (select 1 from grant_resources y where y.grant_id = grants.id and y.resource_id <> $1)";
    change.sql(sql).bind(id).execute().await?;
    change.sql("delete from grant_resources where resource_id = $1").bind(id).execute().await?;
    Ok(goes)
}
