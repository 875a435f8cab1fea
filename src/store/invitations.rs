//! Invitations: create, list, resend, revoke. `invitations::accept` accepts and declines.
mod accept;
mod page;

pub use accept::{
    Offer, Proof, accept, accept_as_new, decline, find_by_id, find_by_token, has_user, is_member, waiting,
};
pub use page::{InvitationQuery, Page, page};

use super::{
    Change, Scope, access,
    audit::{self, NewEvent},
    grants::{self, GrantHolder},
    mails, site,
};
use crate::{
    crypto::secrets::{hash, token},
    db::List,
    emails,
    error::{Error, Result},
    model::{
        access::Access,
        account::{AccountRef, Kind, LoginType},
        grant::Grant,
        id::{InvitationId, MembershipId, UserId},
        permission::Permission,
        text::EmailAddress,
        time::{DAY, Time},
    },
};
use const_format::concatcp;
use serde_json::{Value, json};
use uuid::Uuid;

/// How long an invitation is valid.
pub const DAYS: u32 = 7;

/// How many addresses are invited at once.
pub const MOST: usize = 200;

/// An invitation as an administrator sees it.
#[derive(Clone, Debug)]
pub struct Invitation {
    pub id: InvitationId,
    pub email: String,
    /// The roles that it grants.
    pub grants: Vec<Grant>,
    /// How they must sign in.
    pub login_type: LoginType,
    /// `pending`, `accepted`, `declined`, `revoked`, `expired`.
    pub status: &'static str,
    /// `queued`, `sent`, `failed`.
    pub delivery: String,
    /// What the mail server said.
    pub delivery_detail: Option<String>,
    pub invited_by: Option<(UserId, String)>,
    pub created_at: Time,
    pub sent_at: Time,
    pub expires_at: Time,
}

#[derive(sqlx::FromRow)]
struct InvitationRow {
    id: InvitationId,
    email: String,
    login_type: LoginType,
    status: String,
    delivery: String,
    delivery_detail: Option<String>,
    inviter_id: Option<UserId>,
    inviter_name: Option<String>,
    created_at: Time,
    sent_at: Time,
    expires_at: Time,
}

/// The current status: a pending invitation expires without being updated.
fn status(stored: &str, expires_at: Time, now: Time) -> &'static str {
    match stored {
        "pending" if expires_at <= now => "expired",
        "pending" => "pending",
        "accepted" => "accepted",
        "declined" => "declined",
        _ => "revoked",
    }
}

impl InvitationRow {
    fn invitation(self, grants: Vec<Grant>, now: Time) -> Invitation {
        let status = status(&self.status, self.expires_at, now);
        Invitation {
            id: self.id,
            email: self.email,
            grants,
            login_type: self.login_type,
            status,
            delivery: self.delivery,
            delivery_detail: self.delivery_detail,
            invited_by: self.inviter_id.zip(self.inviter_name),
            created_at: self.created_at,
            sent_at: self.sent_at,
            expires_at: self.expires_at,
        }
    }
}

#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Pending and expired ones only; both can be sent again.
    pub open_only: bool,
    /// Older than this.
    pub after: Option<InvitationId>,
    pub limit: i64,
}

const COLUMNS: &str = "select i.id, i.email, i.login_type, i.status, i.delivery, i.delivery_detail, u.id as inviter_id, u.name as inviter_name,
                i.created_at, i.sent_at, i.expires_at";
const TABLES: &str = " from invitations i left join users u on u.id = i.invited_by ";
const INVITATIONS: &str = concatcp!(COLUMNS, TABLES);

/// The account's invitations, newest first.
pub async fn list(scope: &mut Scope<Access>, filter: &Filter) -> Result<Vec<Invitation>> {
    let status = if filter.open_only { "open" } else { "" };
    list_by_status(scope, status, filter.after, filter.limit).await
}

/// The account's invitations of a status, newest first: `pending`, `accepted`, `declined`, `revoked` or `expired`; `open` for
/// pending and expired ones; empty for all.
pub async fn list_by_status(
    scope: &mut Scope<Access>,
    status: &str,
    after: Option<InvitationId>,
    limit: i64,
) -> Result<Vec<Invitation>> {
    let now = scope.now();
    let rows: Vec<InvitationRow> = scope
        .query_in_account(concatcp!(
            INVITATIONS,
            "where i.account_id = $1 and i.id < $2 and ($3 = '' or $3 = case
                when $3 <> 'open' and i.status = 'pending' and i.expires_at <= $4 then 'expired'
                when $3 = 'open' and i.status = 'pending' then 'open' else i.status end)
             order by i.id desc limit $5"
        ))
        .bind(after.unwrap_or(InvitationId(Uuid::max())))
        .bind(status.to_owned())
        .bind(now)
        .bind(limit)
        .fetch_all()
        .await?;
    with_grants(scope, rows).await
}

pub async fn find(scope: &mut Scope<Access>, id: InvitationId) -> Result<Invitation> {
    find_all(scope, &[id]).await?.pop().ok_or(Error::NotFound)
}

/// The account's invitations with these ids, oldest first.
pub async fn find_all(scope: &mut Scope<Access>, ids: &[InvitationId]) -> Result<Vec<Invitation>> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let sql = concatcp!(INVITATIONS, "where i.account_id = $1 and i.id = any($2::uuid[]) order by i.id");
    let rows: Vec<InvitationRow> = scope.query_in_account(sql).bind(List(&ids)).fetch_all().await?;
    with_grants(scope, rows).await
}

async fn with_grants(scope: &mut Scope<Access>, rows: Vec<InvitationRow>) -> Result<Vec<Invitation>> {
    let (now, admins_may_delete) = (scope.now(), scope.access().account.admins_may_delete);
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id.0).collect();
    let grants =
        grants::of(scope, GrantHolder::Invitation(InvitationId(Uuid::nil())), &ids, admins_may_delete)
            .await?;
    let of = |id: Uuid| grants.iter().filter(|grant| grant.0 == id).map(|grant| grant.1.clone()).collect();
    Ok(rows
        .into_iter()
        .map(|row| (of(row.id.0), row))
        .map(|(grants, row)| row.invitation(grants, now))
        .collect())
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedEmail {
    /// As it was entered.
    pub email: String,
    /// Stable: `invalid`, `already_member`, `self`, …
    pub code: &'static str,
    pub detail: String,
}

#[derive(Debug, Default)]
pub struct InviteResult {
    pub created: Vec<InvitationId>,
    pub rejected: Vec<RejectedEmail>,
}

/// Invites addresses, all with the same grants. A bad address is reported and does not stop the others. A new invitation
/// replaces a pending one for the same address.
pub async fn invite(
    change: &mut Change<Access>,
    emails: &[String],
    grants: &[Grant],
    login_type: LoginType,
) -> Result<InviteResult> {
    let account = change.access().account.clone();
    if account.kind == Kind::Personal {
        let detail = "A personal account has one member. Create an organization or a team to invite people.";
        return Err(Error::conflict("personal", detail));
    }
    if emails.is_empty() {
        return Err(Error::invalid("emails", "required", "Enter at least one e-mail address."));
    }
    if emails.len() > MOST {
        let detail = format!("These are {} addresses. Invite at most {MOST} at once.", emails.len());
        return Err(Error::invalid("emails", "too_many", detail));
    }
    grants::check(change.access(), grants)?;
    let mut result = InviteResult::default();
    let mut seen = std::collections::HashSet::new();
    for text in emails {
        let email = match EmailAddress::parse(text) {
            Ok(email) if seen.insert(email.key().to_owned()) => email,
            Ok(_) => continue,
            Err(error) => {
                let email = crate::model::text::shorten(text, 100);
                result.rejected.push(RejectedEmail { email, code: error.code, detail: error.detail });
                continue;
            }
        };
        match invite_one(change, &email, grants, login_type).await? {
            Ok(id) => result.created.push(id),
            Err(rejected) => result.rejected.push(rejected),
        }
    }
    Ok(result)
}

async fn invite_one(
    change: &mut Change<Access>,
    email: &EmailAddress,
    grants: &[Grant],
    login_type: LoginType,
) -> Result<Result<InvitationId, RejectedEmail>> {
    let account = change.access().account.clone();
    let reject =
        |code, detail: String| Ok(Err(RejectedEmail { email: email.as_str().to_owned(), code, detail }));
    let sql = "select m.id from memberships m join users u on u.id = m.user_id where m.account_id = $1 and u.email_key = $2";
    if change.query_in_account(sql).bind(email.key()).fetch_optional::<(Uuid,)>().await?.is_some() {
        return reject("already_member", format!("{email} is a member of {} already.", account.name));
    }
    let mut joins_parent = false;
    if let Some((parent, Kind::Organization)) = &account.parent {
        let sql = "select m.id from memberships m join users u on u.id = m.user_id where m.account_id = $1 and u.email_key = $2";
        let inside = change
            .query_unscoped(sql)
            .bind(parent.id)
            .bind(email.key())
            .fetch_optional::<(Uuid,)>()
            .await?
            .is_some();
        if !inside && !may_invite_above(change, parent).await? {
            let detail = format!(
                "{email} is not a member of {}. Only who may invite people there can bring somebody from outside.",
                parent.name
            );
            return reject("not_in_organization", detail);
        }
        joins_parent = !inside;
    }
    // Also deletes its grants and tokens.
    let sql = "delete from invitations where account_id = $1 and email_key = $2 and status = 'pending'";
    change.query_in_account(sql).bind(email.key()).execute().await?;
    let (context, now) = (change.context().clone(), change.now());
    let (id, secret, until) = (InvitationId(context.id()), token(&context.random), now.plus(DAYS * DAY));
    let by = change.access().user_id();
    change
        .query_in_account(
            "insert into invitations (account_id, id, email, email_key, token_hash, login_type, joins_parent, invited_by, created_at,
                sent_at, expires_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10)",
        )
        .bind(id)
        .bind(email.as_str())
        .bind(email.key())
        .bind(hash(&secret))
        .bind(login_type)
        .bind(joins_parent)
        .bind(by)
        .bind(now)
        .bind(until)
        .execute()
        .await?;
    grants::insert(change, account.id, GrantHolder::Invitation(id), grants).await?;
    mail(change, id, email.as_str(), grants, joins_parent, &secret, until).await?;
    let labels: Vec<String> = grants.iter().map(Grant::label).collect();
    let event = NewEvent::on("member.invited", "invitation", id, email);
    audit::record(change, event.changed(Value::Null, json!({ "grants": labels, "login_type": login_type })))
        .await?;
    Ok(Ok(id))
}

/// Whether the caller may also invite people to the team's organization.
async fn may_invite_above(change: &mut Change<Access>, parent: &AccountRef) -> Result<bool> {
    let access = change.access().clone();
    if access.rights.only.is_some_and(|only| !only.has(Permission::InviteMembers)) {
        return Ok(false);
    }
    let Some(user) = access.user_id() else { return Ok(true) };
    let sql = "select id from memberships where account_id = $1 and user_id = $2";
    let query = change.query_unscoped(sql).bind(parent.id).bind(user);
    let Some((member,)) = query.fetch_optional::<(MembershipId,)>().await? else { return Ok(false) };
    let now = change.now();
    let (_, above) = access::of_member(&mut change.conn, member, &parent.slug, now).await?;
    Ok(above.is_ok_and(|above| above.may(Permission::InviteMembers)))
}

async fn mail(
    change: &mut Change<Access>,
    id: InvitationId,
    email: &str,
    grants: &[Grant],
    joins_parent: bool,
    secret: &str,
    until: Time,
) -> Result<()> {
    let (context, account) = (change.context().clone(), change.access().account.clone());
    let (sender_name, sender_email) = change.actor().sender();
    let url = context.url(&format!("/invitations/{secret}"));
    let roles: Vec<String> = grants.iter().map(Grant::title).collect();
    let may: Vec<String> = grants.iter().map(Grant::description).collect();
    let organization =
        account.parent.as_ref().filter(|_| joins_parent).map(|(parent, _)| parent.name.as_str());
    let letter = emails::invitation(
        &site(&context),
        email,
        &emails::Invitation {
            inviter: emails::Sender { name: &sender_name, email: &sender_email },
            account: &account.name,
            kind: account.kind.noun(),
            roles: &roles,
            may: &may,
            organization,
            link: emails::Link { url: &url, until: &until.in_words() },
        },
    );
    mails::queue(change, &letter, Some(id)).await
}

/// Sends a pending or expired invitation again: a new token, seven more days. The old link stops working.
pub async fn resend(change: &mut Change<Access>, id: InvitationId) -> Result<()> {
    let invitation = find(change, id).await?;
    if !["pending", "expired"].contains(&invitation.status) {
        return Err(invitation_over(&invitation));
    }
    grants::check(change.access(), &invitation.grants)?;
    let (context, now) = (change.context().clone(), change.now());
    let (secret, until) = (token(&context.random), now.plus(DAYS * DAY));
    let sql = "update invitations set token_hash = $3, link_hash = null, delivery = 'queued', delivery_detail = null, sent_at = $4,
        expires_at = $5 where account_id = $1 and id = $2 and status = 'pending'";
    change.query_in_account(sql).bind(id).bind(hash(&secret)).bind(now).bind(until).execute().await?;
    let (joins_parent,): (bool,) = change
        .query_in_account("select joins_parent from invitations where account_id = $1 and id = $2")
        .bind(id)
        .fetch_one()
        .await?;
    mail(change, id, &invitation.email, &invitation.grants, joins_parent, &secret, until).await?;
    audit::record(change, NewEvent::on("invitation.resent", "invitation", id, &invitation.email)).await
}

fn invitation_over(invitation: &Invitation) -> Error {
    Error::conflict(
        "invitation_over",
        format!("This invitation is {} already. Invite {} anew.", invitation.status, invitation.email),
    )
}

/// Revokes an invitation: its links stop working.
pub async fn revoke(change: &mut Change<Access>, id: InvitationId) -> Result<()> {
    let invitation = find(change, id).await?;
    if invitation.status == "revoked" {
        return Ok(());
    }
    if !["pending", "expired"].contains(&invitation.status) {
        return Err(invitation_over(&invitation));
    }
    let sql =
        "update invitations set status = 'revoked' where account_id = $1 and id = $2 and status = 'pending'";
    change.query_in_account(sql).bind(id).execute().await?;
    audit::record(change, NewEvent::on("invitation.revoked", "invitation", id, &invitation.email)).await
}

/// Makes a link to pass on by hand. It does not verify the address: whoever uses it must sign in with, or confirm, the invited
/// address. A link that was made before stops working.
pub async fn copy_link(change: &mut Change<Access>, id: InvitationId) -> Result<String> {
    let invitation = find(change, id).await?;
    if invitation.status != "pending" {
        return Err(invitation_over(&invitation));
    }
    let context = change.context().clone();
    let secret = token(&context.random);
    let sql = "update invitations set link_hash = $3 where account_id = $1 and id = $2";
    change.query_in_account(sql).bind(id).bind(hash(&secret)).execute().await?;
    audit::record(change, NewEvent::on("invitation.link_copied", "invitation", id, &invitation.email))
        .await?;
    Ok(context.url(&format!("/invitations/{secret}")))
}
