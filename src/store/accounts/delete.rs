//! Deletes accounts.
use super::super::{
    Change, Scope,
    audit::{self, Chain, NewEvent},
    invoices, site,
};
use crate::{
    emails,
    error::{Error, Result},
    model::{access::Access, account::Kind, actor::RecentAuth},
};
use serde_json::{Value, json};

/// What is deleted together with an account.
#[derive(Clone, Copy, Debug, Default, sqlx::FromRow)]
pub struct AccountDeletionImpact {
    /// Including those of its teams.
    pub members: i64,
    pub teams: i64,
    /// Active keys, including those of its teams.
    pub keys: i64,
    /// Including those of its teams.
    pub resources: i64,
    /// Pending invitations.
    pub invitations: i64,
}

pub async fn deletion_impact(scope: &mut Scope<Access>) -> Result<AccountDeletionImpact> {
    let now = scope.now();
    Ok(scope
        .query_in_account(
            "select
                (select cast(coalesce(sum(member_count), 0) as bigint) from accounts where id = $1 or parent_id = $1) as members,
                (select count(*) from accounts where parent_id = $1) as teams,
                (select count(*) from api_keys k join accounts a on a.id = k.account_id
                    where (a.id = $1 or a.parent_id = $1) and k.revoked_at is null and in_force(k, $2)) as keys,
                (select count(*) from resources r join accounts a on a.id = r.account_id where a.id = $1 or a.parent_id = $1) as resources,
                (select count(*) from invitations i join accounts a on a.id = i.account_id
                    where (a.id = $1 or a.parent_id = $1) and i.status = 'pending' and i.expires_at > $2) as invitations",
        )
        .bind(now)
        .fetch_one()
        .await?)
}

/// Deletes the account and its teams permanently. `typed` must be its slug. Slugs and the audit log are kept.
pub async fn delete(change: &mut Change<Access>, _: &RecentAuth, typed: &str) -> Result<()> {
    let here = change.access().account.clone();
    if typed.trim() != here.slug {
        return Err(Error::invalid("confirm", "mismatch", format!("Type {} to delete it.", here.slug)));
    }
    let impact = deletion_impact(change).await?;
    let recipients: Vec<(String,)> = change
        .query_in_account("select distinct u.email from memberships m join users u on u.id = m.user_id join accounts a on a.id = m.account_id
              where a.id = $1 or a.parent_id = $1 order by 1 limit 10000")
        .fetch_all()
        .await?;
    let (name, email) = change.actor().sender();
    let (context, at) = (change.context().clone(), change.now().in_words());
    let sender = emails::Sender { name: &name, email: &email };
    let deletion = emails::Deletion { account: &here.name, kind: here.kind.noun(), by: sender, at: &at };
    for (email,) in recipients {
        let letter = emails::account_deleted(&site(&context), &email, &deletion);
        change.send(&letter).await?;
    }
    // Bills what is owed, since there is no account to bill later.
    if here.kind != Kind::Team {
        invoices::settle(change, here.id).await?;
    }
    let before =
        json!({ "slug": here.slug, "members": impact.members, "teams": impact.teams, "keys": impact.keys });
    for chain in [Chain::Account(here.id), Chain::Installation] {
        let event = NewEvent::on("account.deleted", "account", here.id, &here.name)
            .changed(before.clone(), Value::Null);
        audit::record_in(change, chain, event).await?;
    }
    // Grants before their roles, teams before their parent.
    for sql in [
        "delete from grants where account_id in (select id from accounts where id = $1 or parent_id = $1)",
        "delete from accounts where parent_id = $1",
        "delete from accounts where id = $1",
    ] {
        change.query_in_account(sql).execute().await?;
    }
    Ok(())
}
