//! The rows of memberships: the one place where members are added and taken away, and counted.
use super::{Change, Who};
use crate::{
    error::{Error, Result},
    model::{
        account::LoginType,
        entry::Person,
        id::{AccountId, MembershipId, UserId},
        text::{Email, fold, search_words},
    },
};

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
        .maybe()
        .await?;
    if made.is_some() {
        change
            .sql("update accounts set member_count = member_count + 1 where id = $1")
            .bind(account)
            .run()
            .await?;
        write_words(change, id, person).await?;
    }
    Ok(made.map(|(id,)| id))
}

/// Takes a member away, and revokes their keys for this account in the same breath. Their grants go with the row.
pub(super) async fn remove<W: Who>(
    change: &mut Change<W>,
    account: AccountId,
    id: MembershipId,
) -> Result<()> {
    let now = change.now();
    let sql = "update api_keys set revoked_at = $2 where membership_id = $1 and revoked_at is null";
    change.sql(sql).bind(id).bind(now).run().await?;
    if change.sql("delete from memberships where id = $1 and not is_owner").bind(id).run().await? == 0 {
        return Err(Error::conflict("owner", "The owner cannot be removed. Ownership is handed over first."));
    }
    change
        .sql("update accounts set member_count = member_count - 1 where id = $1")
        .bind(account)
        .run()
        .await?;
    Ok(())
}

/// A user's name or address changed: they are found and sorted by the new one everywhere.
pub(super) async fn rename<W: Who>(change: &mut Change<W>, person: &Person) -> Result<()> {
    let sql = "update memberships set name_key = $2 where user_id = $1";
    change.sql(sql).bind(person.id).bind(fold(&person.name)).run().await?;
    let all: Vec<(MembershipId,)> =
        change.sql("select id from memberships where user_id = $1").bind(person.id).all().await?;
    for (id,) in all {
        change.sql("delete from member_words where membership_id = $1").bind(id).run().await?;
        write_words(change, id, person).await?;
    }
    Ok(())
}

async fn write_words<W: Who>(change: &mut Change<W>, id: MembershipId, person: &Person) -> Result<()> {
    let Ok(email) = Email::parse(&person.email) else { return Ok(()) };
    for word in search_words(&person.name, &email) {
        let sql = "insert into member_words (account_id, word, membership_id)
            select account_id, $2, id from memberships where id = $1 on conflict do nothing";
        change.sql(sql).bind(id).bind(word).run().await?;
    }
    Ok(())
}

/// How many organizations a user owns.
pub(super) async fn organizations_owned<W: Who>(change: &mut Change<W>, user: UserId) -> Result<i64> {
    let sql = "select count(*) from memberships m join accounts a on a.id = m.account_id
        where m.user_id = $1 and m.is_owner and a.kind = 'organization'";
    let (count,): (i64,) = change.sql(sql).bind(user).one().await?;
    Ok(count)
}
