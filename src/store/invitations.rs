//! Invitations: made, listed, sent again, revoked; accepted or declined in `invitations::answer`.
mod answer;
mod page;

pub use answer::{
    Offer, Proof, accept, accept_as_new, decline, find_by_id, find_by_token, has_user, is_member, waiting,
};
pub use page::{Page, Turn, page};

use super::{
    Change, Scope,
    audit::{self, Did},
    grants::{self, Of},
    outbox, site,
};
use crate::{
    crypto::secrets::{hash, token},
    db::List,
    emails,
    error::{Error, Result},
    model::{
        account::{Kind, LoginType},
        grant::Grant,
        id::{InvitationId, UserId},
        permission::Permission,
        text::Email,
        time::{DAY, Time},
    },
};
use serde_json::{Value, json};
use uuid::Uuid;

/// How long an invitation holds.
pub const DAYS: u32 = 7;

/// How many addresses are invited at once.
pub const MOST: usize = 200;

/// An invitation as an administrator sees it.
#[derive(Clone, Debug)]
pub struct Invitation {
    /// Its id.
    pub id: InvitationId,
    /// Who is invited.
    pub email: String,
    /// To what.
    pub grants: Vec<Grant>,
    /// How they must sign in.
    pub login_type: LoginType,
    /// `pending`, `accepted`, `declined`, `revoked`, `expired`.
    pub status: &'static str,
    /// `queued`, `sent`, `failed`.
    pub delivery: String,
    /// What the mail server said.
    pub delivery_detail: Option<String>,
    /// By whom.
    pub invited_by: Option<(UserId, String)>,
    /// When.
    pub created_at: Time,
    /// When it was last mailed.
    pub sent_at: Time,
    /// Until when it holds.
    pub expires_at: Time,
}

#[derive(sqlx::FromRow)]
struct Row {
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

/// What an invitation's stored status means now: a pending one expires by the clock alone.
fn status(stored: &str, expires_at: Time, now: Time) -> &'static str {
    match stored {
        "pending" if expires_at <= now => "expired",
        "pending" => "pending",
        "accepted" => "accepted",
        "declined" => "declined",
        _ => "revoked",
    }
}

impl Row {
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

/// What a page of invitations is asked for.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// `pending` (expired ones among them, for they can be sent again), or everything.
    pub open_only: bool,
    /// Only what is older than this one.
    pub after: Option<InvitationId>,
    /// How many.
    pub limit: i64,
}

macro_rules! invitation {
    ($rest:literal) => {
        concat!(
            "select i.id, i.email, i.login_type, i.status, i.delivery, i.delivery_detail, u.id as inviter_id, u.name as inviter_name,
                i.created_at, i.sent_at, i.expires_at
             from invitations i left join users u on u.id = i.invited_by ",
            $rest
        )
    };
}

/// The account's invitations, newest first.
pub async fn list(scope: &mut Scope, filter: &Filter) -> Result<Vec<Invitation>> {
    let status = if filter.open_only { "open" } else { "" };
    list_by_status(scope, status, filter.after, filter.limit).await
}

/// The account's invitations of a status, newest first: `pending`, `accepted`, `declined`, `revoked`, `expired`; `open` for
/// pending and expired ones, nothing for all.
pub async fn list_by_status(
    scope: &mut Scope,
    status: &str,
    after: Option<InvitationId>,
    limit: i64,
) -> Result<Vec<Invitation>> {
    let now = scope.now();
    let rows: Vec<Row> = scope
        .ask(invitation!(
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

/// One invitation of the account.
pub async fn find(scope: &mut Scope, id: InvitationId) -> Result<Invitation> {
    find_all(scope, &[id]).await?.pop().ok_or(Error::NotFound)
}

/// Those of the account among these, in the order in which they were made.
pub async fn find_all(scope: &mut Scope, ids: &[InvitationId]) -> Result<Vec<Invitation>> {
    let ids: Vec<Uuid> = ids.iter().map(|it| it.0).collect();
    let sql = invitation!("where i.account_id = $1 and i.id = any($2::uuid[]) order by i.id");
    let rows: Vec<Row> = scope.ask(sql).bind(List(&ids)).fetch_all().await?;
    with_grants(scope, rows).await
}

async fn with_grants(scope: &mut Scope, rows: Vec<Row>) -> Result<Vec<Invitation>> {
    let (now, admins_may_delete) = (scope.now(), scope.who().here.admins_may_delete);
    let ids: Vec<Uuid> = rows.iter().map(|it| it.id.0).collect();
    let grants =
        grants::of(scope, Of::Invitation(InvitationId(Uuid::nil())), &ids, admins_may_delete).await?;
    let of = |id: Uuid| grants.iter().filter(|it| it.0 == id).map(|it| it.1.clone()).collect();
    Ok(rows.into_iter().map(|it| (of(it.id.0), it)).map(|(grants, it)| it.invitation(grants, now)).collect())
}

/// An address that was not invited, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// As it was typed.
    pub email: String,
    /// Stable: `invalid`, `already_member`, `self`, …
    pub code: &'static str,
    /// A sentence.
    pub detail: String,
}

/// What became of a list of addresses.
#[derive(Debug, Default)]
pub struct Made {
    /// Invited.
    pub created: Vec<InvitationId>,
    /// Not invited.
    pub rejected: Vec<Rejected>,
}

/// Invites addresses, all with the same grants. Bad ones are told, and keep nobody else from being invited. Inviting again
/// replaces the old invitation.
pub async fn invite(
    change: &mut Change,
    typed: &[String],
    grants: &[Grant],
    login_type: LoginType,
) -> Result<Made> {
    let here = change.who().here.clone();
    if here.kind == Kind::Personal {
        let detail = "A personal account has one member. Create an organization or a team to invite people.";
        return Err(Error::conflict("personal", detail));
    }
    if typed.is_empty() {
        return Err(Error::invalid("emails", "required", "Enter at least one e-mail address."));
    }
    if typed.len() > MOST {
        let detail = format!("These are {} addresses. Invite at most {MOST} at once.", typed.len());
        return Err(Error::invalid("emails", "too_many", detail));
    }
    grants::check(change.who(), grants)?;
    let mut made = Made::default();
    let mut seen = std::collections::HashSet::new();
    for text in typed {
        let email = match Email::parse(text) {
            Ok(it) if seen.insert(it.key().to_owned()) => it,
            Ok(_) => continue,
            Err(it) => {
                let email = crate::model::text::shorten(text, 100);
                made.rejected.push(Rejected { email, code: it.code, detail: it.detail });
                continue;
            }
        };
        match invite_one(change, &email, grants, login_type).await? {
            Ok(id) => made.created.push(id),
            Err(it) => made.rejected.push(it),
        }
    }
    Ok(made)
}

async fn invite_one(
    change: &mut Change,
    email: &Email,
    grants: &[Grant],
    login_type: LoginType,
) -> Result<Result<InvitationId, Rejected>> {
    let here = change.who().here.clone();
    let reject = |code, detail: String| Ok(Err(Rejected { email: email.as_str().to_owned(), code, detail }));
    let sql = "select m.id from memberships m join users u on u.id = m.user_id where m.account_id = $1 and u.email_key = $2";
    if change.ask(sql).bind(email.key()).fetch_optional::<(Uuid,)>().await?.is_some() {
        return reject("already_member", format!("{email} is a member of {} already.", here.name));
    }
    let mut joins_parent = false;
    if let Some((parent, Kind::Organization)) = &here.parent {
        let sql = "select m.id from memberships m join users u on u.id = m.user_id where m.account_id = $1 and u.email_key = $2";
        let inside = change.sql(sql).bind(parent.id).bind(email.key()).fetch_optional::<(Uuid,)>().await?.is_some();
        if !inside && !may_invite_above(change, parent.id).await? {
            let detail = format!(
                "{email} is not a member of {}. Only who may invite people there can bring somebody from outside.",
                parent.name
            );
            return reject("not_in_organization", detail);
        }
        joins_parent = !inside;
    }
    // The old invitation's grants and tokens go with it.
    let sql = "delete from invitations where account_id = $1 and email_key = $2 and status = 'pending'";
    change.ask(sql).bind(email.key()).execute().await?;
    let (kit, now) = (change.kit().clone(), change.now());
    let (id, secret, until) = (InvitationId(kit.id()), token(&kit.chance), now.plus(DAYS * DAY));
    let by = change.who().person.id;
    change
        .ask(
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
    change.renews_at(email.as_str());
    grants::insert(change, here.id, Of::Invitation(id), grants).await?;
    mail(change, id, email.as_str(), grants, joins_parent, &secret, until).await?;
    let labels: Vec<String> = grants.iter().map(Grant::label).collect();
    let did = Did::to("member.invited", "invitation", id, email);
    audit::here(change, did.changed(Value::Null, json!({ "grants": labels, "login_type": login_type })))
        .await?;
    Ok(Ok(id))
}

/// Whether the visitor may invite people to the organization above the team as well.
async fn may_invite_above(change: &mut Change, parent: crate::model::id::AccountId) -> Result<bool> {
    let who = change.who().clone();
    if who.rights.only.is_some_and(|only| !only.has(Permission::InviteMembers)) {
        return Ok(false);
    }
    let now = change.now();
    let sql = "select m.is_owner, g.role, r.permissions from memberships m
        left join grants g on g.membership_id = m.id and g.scope = 'account' and coalesce(g.expires_at, $3) >= $3
        left join roles r on r.id = g.role_id
        where m.account_id = $1 and m.user_id = $2 and m.suspended_at is null and coalesce(m.expires_at, $3 + 1) > $3";
    let rows: Vec<(bool, Option<String>, Option<String>)> =
        change.sql(sql).bind(parent).bind(who.person.id).bind(now).fetch_all().await?;
    Ok(rows.iter().any(|(is_owner, role, permissions)| {
        let custom = permissions.as_deref().map(crate::model::permission::Permissions::from_json);
        *is_owner
            || role.as_deref() == Some("admin")
            || custom.is_some_and(|it| it.has(Permission::InviteMembers))
    }))
}

async fn mail(
    change: &mut Change,
    id: InvitationId,
    email: &str,
    grants: &[Grant],
    joins_parent: bool,
    secret: &str,
    until: Time,
) -> Result<()> {
    let (kit, here, person) = (change.kit().clone(), change.who().here.clone(), change.who().person.clone());
    let url = kit.url(&format!("/invitations/{secret}"));
    let roles: Vec<String> = grants.iter().map(Grant::title).collect();
    let may: Vec<String> = grants.iter().map(Grant::says).collect();
    let organization = here.parent.as_ref().filter(|_| joins_parent).map(|(it, _)| it.name.as_str());
    let letter = emails::invitation(
        &site(&kit),
        email,
        &emails::Invitation {
            inviter: emails::Person { name: &person.name, email: &person.email },
            account: &here.name,
            kind: here.kind.noun(),
            roles: &roles,
            may: &may,
            organization,
            link: emails::Link { url: &url, until: &until.in_words() },
        },
    );
    outbox::queue(change, &letter, Some(id)).await
}

/// Sends a pending or expired invitation again: a new token, seven more days. The old link stops working.
pub async fn resend(change: &mut Change, id: InvitationId) -> Result<()> {
    let it = find(change, id).await?;
    if !["pending", "expired"].contains(&it.status) {
        return Err(over(&it));
    }
    grants::check(change.who(), &it.grants)?;
    let (kit, now) = (change.kit().clone(), change.now());
    let (secret, until) = (token(&kit.chance), now.plus(DAYS * DAY));
    let sql = "update invitations set token_hash = $3, link_hash = null, delivery = 'queued', delivery_detail = null, sent_at = $4,
        expires_at = $5 where account_id = $1 and id = $2 and status = 'pending'";
    change.ask(sql).bind(id).bind(hash(&secret)).bind(now).bind(until).execute().await?;
    change.renews_at(&it.email);
    let (joins_parent,): (bool,) = change
        .ask("select joins_parent from invitations where account_id = $1 and id = $2")
        .bind(id)
        .fetch_one()
        .await?;
    mail(change, id, &it.email, &it.grants, joins_parent, &secret, until).await?;
    audit::here(change, Did::to("invitation.resent", "invitation", id, &it.email)).await
}

fn over(it: &Invitation) -> Error {
    Error::conflict(
        "invitation_over",
        format!("This invitation is {} already. Invite {} anew.", it.status, it.email),
    )
}

/// Takes an invitation back: its links stop working.
pub async fn revoke(change: &mut Change, id: InvitationId) -> Result<()> {
    let it = find(change, id).await?;
    if it.status == "revoked" {
        return Ok(());
    }
    if !["pending", "expired"].contains(&it.status) {
        return Err(over(&it));
    }
    let sql =
        "update invitations set status = 'revoked' where account_id = $1 and id = $2 and status = 'pending'";
    change.ask(sql).bind(id).execute().await?;
    change.renews_at(&it.email);
    audit::here(change, Did::to("invitation.revoked", "invitation", id, &it.email)).await
}

/// Makes a link to pass on by hand. It proves nothing: who uses it must sign in as, or verify, the invited address. The
/// link made before stops working.
pub async fn copy_link(change: &mut Change, id: InvitationId) -> Result<String> {
    let it = find(change, id).await?;
    if it.status != "pending" {
        return Err(over(&it));
    }
    let kit = change.kit().clone();
    let secret = token(&kit.chance);
    let sql = "update invitations set link_hash = $3 where account_id = $1 and id = $2";
    change.ask(sql).bind(id).bind(hash(&secret)).execute().await?;
    audit::here(change, Did::to("invitation.link_copied", "invitation", id, &it.email)).await?;
    Ok(kit.url(&format!("/invitations/{secret}")))
}
