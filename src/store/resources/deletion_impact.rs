//! What ends when a resource is deleted: counted before, and done with it.
use super::Resource;
use crate::{
    error::Result,
    model::{access::Access, id::ResourceId},
    store::{Change, Scope},
};

/// What ends when a resource is deleted or moved out of the account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct ResourceDeletionImpact {
    /// Grants of members and invitations that list it; they no longer do.
    pub grants: i64,
    /// Those of them that list nothing else, and end.
    pub ended: i64,
    /// The people who had access through them.
    pub people: i64,
}

const GOES: &str = "select count(*) as grants,
        coalesce(cast(sum(case when exists (select 1 from grant_resources y where y.grant_id = g.id and y.resource_id <> $1)
            then 0 else 1 end) as bigint), 0) as ended,
        count(distinct coalesce(g.membership_id, g.invitation_id)) as people
    from grant_resources x join grants g on g.id = x.grant_id where x.resource_id = $1";

pub async fn deletion_impact(
    scope: &mut Scope<Access>,
    resource: &Resource,
) -> Result<ResourceDeletionImpact> {
    Ok(scope.query_unscoped(GOES).bind(resource.id).fetch_one().await?)
}

pub(super) async fn drop_from_grants(
    change: &mut Change<Access>,
    id: ResourceId,
) -> Result<ResourceDeletionImpact> {
    let goes: ResourceDeletionImpact = change.query_unscoped(GOES).bind(id).fetch_one().await?;
    let sql = "delete from grants where id in (select grant_id from grant_resources where resource_id = $1)
        and not exists (select 1 from grant_resources y where y.grant_id = grants.id and y.resource_id <> $1)";
    change.query_unscoped(sql).bind(id).execute().await?;
    change.query_unscoped("delete from grant_resources where resource_id = $1").bind(id).execute().await?;
    Ok(goes)
}
