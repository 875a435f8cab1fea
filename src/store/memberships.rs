//! The rows of memberships: the one place where members are added and taken away, and counted.
use super::{Change, Who};
use crate::{
    error::{Error, Result},
    model::{
        access::Person,
        account::LoginType,
        id::{AccountId, MembershipId, UserId},
        text::{Email, fold, search_words},
        time::Time,
    },
};
use uuid::Uuid;

/// Adds a member; none if they are one already.
pub(super) async fn add<W: Who>(
    change: &mut Change<W>,
    account: AccountId,
    person: &Person,
    is_owner: bool,
    login_type: LoginType,
) -> Result<Option<MembershipId>> {
    let (id, now) = (MembershipId(change.kit().id()), change.now());
    let made: Option<(MembershipId,)> = change
        .sql(
            "insert into memberships (id, account_id, user_id, is_owner, login_type, name_key, joined_at, active_at)
             values ($1, $2, $3, $4, $5, $6, $7, $7) on conflict (account_id, user_id) do nothing returning id",
        )
        .bind(id)
        .bind(account)
        .bind(person.id)
        .bind(is_owner)
        .bind(login_type)
        .bind(fold(&person.name))
        .bind(now)
        .fetch_optional()
        .await?;
    if made.is_some() {
        change.renews(person.id.0);
        change
            .sql("update accounts set member_count = member_count + 1 where id = $1")
            .bind(account)
            .execute()
            .await?;
        write_words(change, id, person).await?;
    }
    Ok(made.map(|(id,)| id))
}

/// Takes a member away, and revokes their keys for this account in the same breath. Their grants go with the row; private
/// resources that they made pass to `heir`, else to the account's owner; as of `now`, which is their new version.
pub(super) async fn remove<W: Who>(
    change: &mut Change<W>,
    account: AccountId,
    id: MembershipId,
    heir: Option<UserId>,
    now: Time,
) -> Result<()> {
    let sql = "update resources set created_by = coalesce($3, (select owner_id from accounts where id = $1)),
            updated_at = case when updated_at < $4 then $4 else updated_at + 1 end
        where account_id = $1 and visibility = 'private' and created_by = (select user_id from memberships where id = $2)";
    change.sql(sql).bind(account).bind(id).bind(heir).bind(now).execute().await?;
    let sql = "update api_keys set revoked_at = $2 where membership_id = $1 and revoked_at is null";
    change.sql(sql).bind(id).bind(now).execute().await?;
    let sql = "delete from memberships where id = $1 and not is_owner returning user_id";
    let Some((user,)) = change.sql(sql).bind(id).fetch_optional::<(Uuid,)>().await? else {
        return Err(Error::conflict("owner", "The owner cannot be removed. Ownership is handed over first."));
    };
    change.renews(user);
    change
        .sql("update accounts set member_count = member_count - 1 where id = $1")
        .bind(account)
        .execute()
        .await?;
    Ok(())
}

/// A membership as it was.
pub(super) struct Former<'a> {
    pub id: MembershipId,
    pub account: AccountId,
    pub person: &'a Person,
    pub login_type: LoginType,
    pub suspended_at: Option<Time>,
    pub expires_at: Option<Time>,
    pub joined_at: Time,
    pub active_at: Time,
}

/// Puts back a member who was taken away. False if they are one again already.
pub(super) async fn put_back<W: Who>(change: &mut Change<W>, it: &Former<'_>) -> Result<bool> {
    let sql = "insert into memberships (id, account_id, user_id, is_owner, login_type, name_key, suspended_at, expires_at,
            joined_at, active_at) values ($1, $2, $3, false, $4, $5, $6, $7, $8, $9) on conflict (account_id, user_id) do nothing";
    let query = change.sql(sql).bind(it.id).bind(it.account).bind(it.person.id).bind(it.login_type);
    let query = query.bind(fold(&it.person.name)).bind(it.suspended_at).bind(it.expires_at);
    if query.bind(it.joined_at).bind(it.active_at).execute().await? == 0 {
        return Ok(false);
    }
    let sql = "update accounts set member_count = member_count + 1 where id = $1";
    change.sql(sql).bind(it.account).execute().await?;
    change.renews(it.person.id.0);
    write_words(change, it.id, it.person).await?;
    Ok(true)
}

/// A user's name or address changed: they are found and sorted by the new one everywhere.
pub(super) async fn rename<W: Who>(change: &mut Change<W>, person: &Person) -> Result<()> {
    change.renews(person.id.0);
    let sql = "update memberships set name_key = $2 where user_id = $1";
    change.sql(sql).bind(person.id).bind(fold(&person.name)).execute().await?;
    let all: Vec<(MembershipId,)> =
        change.sql("select id from memberships where user_id = $1").bind(person.id).fetch_all().await?;
    for (id,) in all {
        change.sql("delete from member_words where membership_id = $1").bind(id).execute().await?;
        write_words(change, id, person).await?;
    }
    Ok(())
}

async fn write_words<W: Who>(change: &mut Change<W>, id: MembershipId, person: &Person) -> Result<()> {
    let Ok(email) = Email::parse(&person.email) else { return Ok(()) };
    for word in search_words(&person.name, &email) {
        let sql = "insert into member_words (account_id, word, membership_id)
            select account_id, $2, id from memberships where id = $1 on conflict do nothing";
        change.sql(sql).bind(id).bind(word).execute().await?;
    }
    Ok(())
}

/// How many organizations a user owns.
pub(super) async fn organizations_owned<W: Who>(change: &mut Change<W>, user: UserId) -> Result<i64> {
    let sql = "select count(*) from memberships m join accounts a on a.id = m.account_id
        where m.user_id = $1 and m.is_owner and a.kind = 'organization'";
    let (count,): (i64,) = change.sql(sql).bind(user).fetch_one().await?;
    Ok(count)
}
