//! Roles by the groups that a provider tells.
use super::{
    super::{
        Change, Who,
        audit::{self, Chain, Did},
        grants::{self, Of},
    },
    Connection, enforce,
    sign_in::{Guest, membership, starting},
};
use crate::{
    error::Result,
    model::{
        grant::Grant,
        id::{GrantId, UserId},
    },
};
use serde_json::json;

/// Each sign-in gives what the person's groups give now, and takes what they gave before; and it may be the one that an
/// enforcement waits for.
pub(super) async fn settle<W: Who>(
    change: &mut Change<W>,
    connection: &Connection,
    guest: &Guest,
    user: UserId,
) -> Result<()> {
    let account = guest.account;
    let Some((member, is_owner)) = membership(change, account, user).await? else { return Ok(()) };
    if let (Some(groups), false) = (&guest.groups, is_owner || connection.group_grants.is_empty()) {
        let mut wanted: Vec<Grant> = vec![];
        for it in groups.iter().filter_map(|it| connection.group_grants.get(it)).flatten() {
            if !wanted.iter().any(|had| had.role == it.role && had.over == it.over) {
                wanted.push(it.clone());
            }
        }
        let held: Vec<Grant> = grants::of(change, Of::Membership(member), &[member.0], true)
            .await?
            .into_iter()
            .map(|it| it.1)
            .collect();
        let sql = "select id from grants where membership_id = $1 and by_group";
        let by_group: Vec<(GrantId,)> = change.sql(sql).bind(member).fetch_all().await?;
        let is_by_group = |it: &Grant| it.id.is_some_and(|id| by_group.iter().any(|had| had.0 == id));
        let same = |a: &Grant, b: &Grant| a.role == b.role && a.over == b.over;
        let gone: Vec<&Grant> =
            held.iter().filter(|it| is_by_group(it) && !wanted.iter().any(|want| same(want, it))).collect();
        let mut new: Vec<Grant> =
            wanted.iter().filter(|it| !held.iter().any(|had| same(had, it))).cloned().collect();
        for it in &gone {
            change.sql("delete from grants where id = $1").bind(it.id).execute().await?;
        }
        if new.is_empty() && gone.len() == held.len() {
            new = starting(&connection.default_grants);
            grants::insert(change, account, Of::Membership(member), &new).await?;
        } else {
            grants::insert(change, account, Of::Group(member), &new).await?;
        }
        if !gone.is_empty() || !new.is_empty() {
            let labels = |all: Vec<&Grant>| all.into_iter().map(Grant::label).collect::<Vec<_>>();
            let (before, after) = (labels(gone), labels(new.iter().collect()));
            let did = Did::to("member.groups_changed", "member", member, &guest.email)
                .changed(json!({ "grants": before }), json!({ "grants": after }));
            audit::write(change, Chain::Account(account), did).await?;
        }
    }
    enforce::confirm(change, connection, member, is_owner).await
}
