//! Mails about keys that expire: 14 days before, 3 days before, and when they do.
use super::KeyId;
use crate::{
    db::List,
    emails,
    error::Result,
    model::time::{DAY, Time},
    store::{Change, System, site},
};
use uuid::Uuid;

/// How many days before the expiry the owner is notified.
const DAYS: [u32; 3] = [14, 3, 0];
/// How many days after the expiry a missed notice is still sent.
const LATE: u32 = 7;
/// Keys in one transaction.
pub const AT_ONCE: usize = 100;

/// When the next mail about this expiry is due.
pub(super) fn next_notice(end: Time, now: Time) -> Option<Time> {
    DAYS.iter().map(|days| end.minus(DAY * *days)).find(|notice| *notice > now)
}

#[derive(sqlx::FromRow)]
struct ExpiringKeyRow {
    id: KeyId,
    name: String,
    last4: String,
    expires_at: Time,
    slug: String,
    account: String,
    email: String,
}

/// Mails the owners of expiring keys, once for each notice, and returns how many keys were looked at. Revoked and rotated keys
/// and those of suspended members expire without a mail.
pub async fn notify(change: &mut Change<System>) -> Result<usize> {
    let now = change.now();
    // Skips keys that another replica is handling.
    let sql =
        "select id from api_keys where notice_at <= $1 order by notice_at limit $2 for update skip locked";
    let most = i64::try_from(AT_ONCE).unwrap_or(0);
    let due: Vec<(Uuid,)> = change.query_unscoped(sql).bind(now).bind(most).fetch_all().await?;
    let ids: Vec<Uuid> = due.into_iter().map(|row| row.0).collect();
    if ids.is_empty() {
        return Ok(0);
    }
    let expiring: Vec<ExpiringKeyRow> = change
        .query_unscoped(
            "select k.id, k.name, k.last4, k.expires_at, a.slug, a.name as account, u.email
             from api_keys k join memberships m on m.id = k.membership_id join accounts a on a.id = k.account_id
             join users u on u.id = k.user_id
             where k.id = any($1::uuid[]) and k.revoked_at is null and k.successor_id is null and k.expires_at > $2
                and active_member(m, $3)",
        )
        .bind(List(&ids))
        .bind(now.minus(DAY * LATE))
        .bind(now)
        .fetch_all()
        .await?;
    for row in expiring {
        let context = change.context().clone();
        let left = (row.expires_at > now).then(|| row.expires_at.since(now));
        let letter = emails::key_expires(
            &site(&context),
            &row.email,
            &emails::KeyExpiry {
                key: emails::Key { name: &row.name, last4: &row.last4 },
                account: &row.account,
                at: &row.expires_at.in_words(),
                left,
                link: &context.url(&format!("/a/{}/keys/{}", row.slug, row.id)),
            },
        );
        change.send(&letter).await?;
    }
    let [first, second, _] = DAYS.map(|days| i64::try_from((DAY * days).as_micros()).unwrap_or(0));
    change
        .query_unscoped(
            "update api_keys set notice_at = case when expires_at - $2 > $4 then expires_at - $2
                when expires_at - $3 > $4 then expires_at - $3 when expires_at > $4 then expires_at end
             where id = any($1::uuid[])",
        )
        .bind(List(&ids))
        .bind(first)
        .bind(second)
        .bind(now)
        .execute()
        .await?;
    Ok(ids.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_letter_has_its_day() {
        let (now, day) = (Time(0), |days: u32| Time(0).plus(DAY * days));
        assert_eq!(next_notice(day(365), now), Some(day(351)));
        assert_eq!(
            next_notice(day(14), now),
            Some(day(11)),
            "a key of fourteen days is new, not about to end"
        );
        assert_eq!(next_notice(day(2), now), Some(day(2)));
        assert_eq!(next_notice(now, now), None);
    }
}
