//! The rows of memberships. Only this module inserts and deletes them, and keeps the members' count.
use super::Change;
use super::{
    accounts,
    audit::{self, NewEvent},
    grants::{self, GrantHolder},
};
use crate::model::{access::Access, grant::Grant, id::InvitationId};
use crate::{
    error::{Error, Result},
    model::{
        account::LoginType,
        actor::UserSummary,
        id::{AccountId, MembershipId, UserId},
        text::{EmailAddress, fold, search_words},
        time::Time,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

/// How a user joins an account.
pub(super) enum JoinedBy<'a> {
    Invitation(InvitationId),
    /// An invitation to a team made them a member of its organization too: the team's name.
    Team(&'a str),
    /// A sign-in through the organization's identity provider: its issuer.
    Sso(&'a str),
    /// Their address is at a verified domain of the organization.
    Domain,
}

/// Makes a user a member: every way into an account ends here. A pending invitation for their address is accepted in any case, and
/// they get its grants instead of `grants`. `None` if they are a member already.
pub(super) async fn join(
    change: &mut Change<Access>,
    user: &UserSummary,
    by: JoinedBy<'_>,
    grants: &[Grant],
) -> Result<Option<MembershipId>> {
    let account = change.access().account.id;
    let invitation = match by {
        JoinedBy::Invitation(id) => Some(id),
        _ => use_up_invitation(change, user).await?,
    };
    let login_type = match (invitation, &by) {
        // The provider is how they sign in: an invitation that asked for another way would lock them out at once.
        (_, JoinedBy::Sso(_)) | (None, _) => LoginType::Any,
        (Some(id), _) => invitation_login_type(change, id).await?,
    };
    let Some(member) = add(change, account, user, false, login_type).await? else { return Ok(None) };
    if let Some(invitation) = invitation {
        // The invitation's grants become the member's.
        let sql = "update grants set membership_id = $2, invitation_id = null where invitation_id = $1";
        change.query_unscoped(sql).bind(invitation).bind(member).execute().await?;
    } else {
        grants::insert(change, account, GrantHolder::Membership(member), grants).await?;
    }
    accounts::remember(change, user.id, account).await?;
    let admins_may_delete = change.access().account.admins_may_delete;
    let grants = grants::of(change, GrantHolder::Membership(member), &[member.0], admins_may_delete).await?;
    let labels: Vec<String> = grants.iter().map(|(_, grant)| grant.label()).collect();
    let mut after = json!({ "grants": labels });
    match by {
        JoinedBy::Invitation(_) => {}
        JoinedBy::Team(name) => after["with_team"] = json!(name),
        JoinedBy::Sso(issuer) => after["sso"] = json!(issuer),
        JoinedBy::Domain => after["by"] = json!("domain"),
    }
    if let Some(invitation) = invitation {
        after["invitation"] = json!(invitation);
    }
    let event = NewEvent::on("member.joined", "member", member, &user.email).changed(Value::Null, after);
    audit::record(change, event).await?;
    Ok(Some(member))
}

/// Accepts the invitation that waits for the user's address in the account, if there is one.
async fn use_up_invitation(change: &mut Change<Access>, user: &UserSummary) -> Result<Option<InvitationId>> {
    let now = change.now();
    let sql = "update invitations set status = 'accepted' where account_id = $1 and email_key = $2
        and status = 'pending' and expires_at > $3 returning id";
    let query = change.query_in_account(sql).bind(user.email.to_lowercase()).bind(now);
    Ok(query.fetch_optional::<(InvitationId,)>().await?.map(|(id,)| id))
}

async fn invitation_login_type(change: &mut Change<Access>, id: InvitationId) -> Result<LoginType> {
    let sql = "select login_type from invitations where account_id = $1 and id = $2";
    Ok(change.query_in_account(sql).bind(id).fetch_one::<(LoginType,)>().await?.0)
}

/// `None` if the user is a member already.
pub(super) async fn add<A>(
    change: &mut Change<A>,
    account: AccountId,
    user: &UserSummary,
    is_owner: bool,
    login_type: LoginType,
) -> Result<Option<MembershipId>> {
    let (id, now) = (MembershipId(change.context().id()), change.now());
    let inserted: Option<(MembershipId,)> = change
        .query_unscoped(
            "insert into memberships (id, account_id, user_id, is_owner, login_type, name_key, joined_at, active_at)
             values ($1, $2, $3, $4, $5, $6, $7, $7) on conflict (account_id, user_id) do nothing returning id",
        )
        .bind(id)
        .bind(account)
        .bind(user.id)
        .bind(is_owner)
        .bind(login_type)
        .bind(fold(&user.name))
        .bind(now)
        .fetch_optional()
        .await?;
    if inserted.is_some() {
        change
            .query_unscoped("update accounts set member_count = member_count + 1 where id = $1")
            .bind(account)
            .execute()
            .await?;
        write_words(change, id, user).await?;
    }
    Ok(inserted.map(|(id,)| id))
}

/// Deletes a membership with its grants, and revokes its keys. Private resources of the member go to `heir`, else to the account's
/// owner, and get `now` as their version.
pub(super) async fn remove<A>(
    change: &mut Change<A>,
    account: AccountId,
    id: MembershipId,
    heir: Option<UserId>,
    now: Time,
) -> Result<()> {
    let sql = "update resources set created_by = coalesce($3, (select owner_id from accounts where id = $1)),
            updated_at = case when updated_at < $4 then $4 else updated_at + 1 end
        where account_id = $1 and visibility = 'private' and created_by = (select user_id from memberships where id = $2)";
    change.query_unscoped(sql).bind(account).bind(id).bind(heir).bind(now).execute().await?;
    let sql = "update api_keys set revoked_at = $2 where membership_id = $1 and revoked_at is null";
    change.query_unscoped(sql).bind(id).bind(now).execute().await?;
    let sql = "delete from memberships where id = $1 and not is_owner returning user_id";
    if change.query_unscoped(sql).bind(id).fetch_optional::<(Uuid,)>().await?.is_none() {
        return Err(Error::conflict("owner", "The owner cannot be removed. Ownership is handed over first."));
    }
    change
        .query_unscoped("update accounts set member_count = member_count - 1 where id = $1")
        .bind(account)
        .execute()
        .await?;
    Ok(())
}

/// A row of `memberships`, with every column: lists read it, a removal stores it, an undo restores it.
#[derive(Clone, Debug, Serialize, Deserialize, sqlx::FromRow)]
pub(super) struct Membership {
    pub id: MembershipId,
    // Removals that were stored before 0022 have fewer fields; they can still be undone.
    #[serde(alias = "account")]
    pub account_id: AccountId,
    #[serde(default = "nobody")]
    pub user_id: UserId,
    #[serde(default)]
    pub is_owner: bool,
    pub login_type: LoginType,
    pub suspended_at: Option<Time>,
    pub expires_at: Option<Time>,
    #[serde(default)]
    pub name_key: String,
    pub joined_at: Time,
    pub active_at: Time,
}

fn nobody() -> UserId {
    UserId(uuid::Uuid::nil())
}

/// The columns of `Membership`, of the table `m`.
pub(super) const COLUMNS: &str =
    "m.id, m.account_id, m.user_id, m.is_owner, m.login_type, m.suspended_at, m.expires_at,
    m.name_key, m.joined_at, m.active_at";

/// Restores the row of a removed member, not as the owner. False if they are a member again already.
pub(super) async fn restore<A>(change: &mut Change<A>, row: &Membership, user: &UserSummary) -> Result<bool> {
    // All fields by name: a new column is not forgotten here. The name may have changed since the removal.
    let Membership {
        id,
        account_id,
        user_id: _,
        is_owner: _,
        login_type,
        suspended_at,
        expires_at,
        name_key: _,
        joined_at,
        active_at,
    } = row;
    let sql = "insert into memberships (id, account_id, user_id, is_owner, login_type, name_key, suspended_at, expires_at,
            joined_at, active_at) values ($1, $2, $3, false, $4, $5, $6, $7, $8, $9) on conflict (account_id, user_id) do nothing";
    let query = change.query_unscoped(sql).bind(*id).bind(*account_id).bind(user.id).bind(*login_type);
    let query = query.bind(fold(&user.name)).bind(*suspended_at).bind(*expires_at);
    if query.bind(*joined_at).bind(*active_at).execute().await? == 0 {
        return Ok(false);
    }
    let sql = "update accounts set member_count = member_count + 1 where id = $1";
    change.query_unscoped(sql).bind(*account_id).execute().await?;
    write_words(change, *id, user).await?;
    Ok(true)
}

/// Updates the sort key and the search index after a change of the user's name or address.
pub(super) async fn rename<A>(change: &mut Change<A>, user: &UserSummary) -> Result<()> {
    let sql = "update memberships set name_key = $2 where user_id = $1";
    change.query_unscoped(sql).bind(user.id).bind(fold(&user.name)).execute().await?;
    let all: Vec<(MembershipId,)> = change
        .query_unscoped("select id from memberships where user_id = $1")
        .bind(user.id)
        .fetch_all()
        .await?;
    for (id,) in all {
        change
            .query_unscoped("delete from member_search where membership_id = $1")
            .bind(id)
            .execute()
            .await?;
        write_words(change, id, user).await?;
    }
    Ok(())
}

async fn write_words<A>(change: &mut Change<A>, id: MembershipId, user: &UserSummary) -> Result<()> {
    let Ok(email) = EmailAddress::parse(&user.email) else { return Ok(()) };
    for word in search_words(&user.name, &email) {
        let sql = "insert into member_search (account_id, word, membership_id)
            select account_id, $2, id from memberships where id = $1 on conflict do nothing";
        change.query_unscoped(sql).bind(id).bind(word).execute().await?;
    }
    Ok(())
}

pub(super) async fn organizations_owned<A>(change: &mut Change<A>, user: UserId) -> Result<i64> {
    let sql = "select count(*) from memberships m join accounts a on a.id = m.account_id
        where m.user_id = $1 and m.is_owner and a.kind = 'organization'";
    let (count,): (i64,) = change.query_unscoped(sql).bind(user).fetch_one().await?;
    Ok(count)
}
