//! Letters about keys that end: 14 days before, 3 days before, and when they do.
use super::KeyId;
use crate::{
    db::List,
    emails,
    error::Result,
    model::time::{DAY, Time},
    store::{Change, Host, site},
};
use uuid::Uuid;

/// So many days before a key's end its owner is told.
const DAYS: [u32; 3] = [14, 3, 0];
/// Who was not told in time, because nothing ran, is told so long after the end and no longer.
const LATE: u32 = 7;
/// How many are told in one transaction.
pub const AT_ONCE: usize = 100;

/// When the next letter about that end is due.
pub(super) fn next(end: Time, now: Time) -> Option<Time> {
    DAYS.iter().map(|days| end.minus(DAY * *days)).find(|it| *it > now)
}

#[derive(sqlx::FromRow)]
struct Row {
    id: KeyId,
    name: String,
    last4: String,
    expires_at: Time,
    slug: String,
    account: String,
    email: String,
}

/// Tells owners whose turn it is, each once; says how many keys were looked at. A revoked key, one that another took the place
/// of, and that of a suspended member end without a letter.
pub async fn notify(change: &mut Change<Host>) -> Result<usize> {
    let now = change.now();
    // Nothing to do is found out without a lock, and another replica's keys are passed over.
    let sql =
        "select id from api_keys where notice_at <= $1 order by notice_at limit $2 for update skip locked";
    let most = i64::try_from(AT_ONCE).unwrap_or(0);
    let due: Vec<(Uuid,)> = change.sql(sql).bind(now).bind(most).fetch_all().await?;
    let ids: Vec<Uuid> = due.into_iter().map(|it| it.0).collect();
    if ids.is_empty() {
        return Ok(0);
    }
    let told: Vec<Row> = change
        .sql(
            "select k.id, k.name, k.last4, k.expires_at, a.slug, a.name as account, u.email
             from api_keys k join memberships m on m.id = k.membership_id join accounts a on a.id = k.account_id
             join users u on u.id = k.user_id
             where k.id = any($1::uuid[]) and k.revoked_at is null and k.successor_id is null and k.expires_at > $2
                and m.suspended_at is null and coalesce(m.expires_at, $3) >= $3",
        )
        .bind(List(&ids))
        .bind(now.minus(DAY * LATE))
        .bind(now)
        .fetch_all()
        .await?;
    for it in told {
        let kit = change.kit().clone();
        let left = (it.expires_at > now).then(|| it.expires_at.since(now));
        let letter = emails::key_ends(
            &site(&kit),
            &it.email,
            &emails::KeyEnd {
                key: emails::Key { name: &it.name, last4: &it.last4 },
                account: &it.account,
                at: &it.expires_at.in_words(),
                left,
                link: &kit.url(&format!("/a/{}/keys/{}", it.slug, it.id)),
            },
        );
        change.post(&letter).await?;
    }
    let [first, second, _] = DAYS.map(|it| i64::try_from((DAY * it).as_micros()).unwrap_or(0));
    change
        .sql(
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
        let (now, day) = (Time(0), |it: u32| Time(0).plus(DAY * it));
        assert_eq!(next(day(365), now), Some(day(351)));
        assert_eq!(next(day(14), now), Some(day(11)), "a key of fourteen days is new, not about to end");
        assert_eq!(next(day(2), now), Some(day(2)));
        assert_eq!(next(now, now), None);
    }
}
