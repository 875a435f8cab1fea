//! Transfers of ownership: an offer, and its acceptance in one transaction.
use super::{
    Change, Scope, System,
    access::EVERYDAY,
    accounts,
    audit::{self, Chain, NewEvent},
    members, site,
};
use crate::{
    emails::{self, EmailMessage, Site},
    error::{Error, Result},
    model::{
        access::Access,
        account::Kind,
        actor::{RecentAuth, UserSummary},
        id::{AccountId, MembershipId, UserId},
        permission::Permissions,
        time::{DAY, Time},
    },
};
use const_format::concatcp;
use serde_json::json;

/// How many days an offer is valid.
const DAYS: u32 = 7;

/// An offer of ownership.
#[derive(Clone, Debug)]
pub struct Transfer {
    pub account: AccountId,
    pub to_member: MembershipId,
    pub to: UserSummary,
    /// The owner.
    pub from: UserSummary,
    pub offered_at: Time,
    pub expires_at: Time,
    account_name: String,
    slug: String,
    kind: Kind,
}

#[derive(sqlx::FromRow)]
struct TransferRow {
    account_id: AccountId,
    account_name: String,
    slug: String,
    kind: Kind,
    membership_id: MembershipId,
    to_id: UserId,
    to_name: String,
    to_email: String,
    from_id: UserId,
    from_name: String,
    from_email: String,
    offered_at: Time,
    expires_at: Time,
}

impl From<TransferRow> for Transfer {
    fn from(row: TransferRow) -> Transfer {
        Transfer {
            account: row.account_id,
            to_member: row.membership_id,
            to: UserSummary { id: row.to_id, name: row.to_name, email: row.to_email },
            from: UserSummary { id: row.from_id, name: row.from_name, email: row.from_email },
            offered_at: row.offered_at,
            expires_at: row.expires_at,
            account_name: row.account_name,
            slug: row.slug,
            kind: row.kind,
        }
    }
}

const TRANSFERS: &str = "select t.account_id, a.name as account_name, a.slug, a.kind, t.membership_id, u.id as to_id, u.name as to_name,
                u.email as to_email, o.id as from_id, o.name as from_name, o.email as from_email, t.offered_at, t.expires_at
             from transfers t join accounts a on a.id = t.account_id join memberships m on m.id = t.membership_id
             join users u on u.id = m.user_id join users o on o.id = a.owner_id ";

/// The account's pending offer.
pub async fn find(scope: &mut Scope<Access>) -> Result<Option<Transfer>> {
    let now = scope.now();
    let sql = concatcp!(TRANSFERS, "where t.account_id = $1 and t.expires_at > $2");
    let found: Option<TransferRow> = scope.query_in_account(sql).bind(now).fetch_optional().await?;
    Ok(found.map(Transfer::from))
}

type Write = fn(&Site<'_>, &str, &emails::Transfer<'_>) -> EmailMessage;

impl Transfer {
    async fn notify<A>(&self, change: &mut Change<A>, to: &UserSummary, write: Write) -> Result<()> {
        let context = change.context().clone();
        let person = |user: &'_ UserSummary| -> (String, String) { (user.name.clone(), user.email.clone()) };
        let (owner, recipient) = (person(&self.from), person(&self.to));
        let letter = write(
            &site(&context),
            &to.email,
            &emails::Transfer {
                owner: emails::Sender { name: &owner.0, email: &owner.1 },
                recipient: emails::Sender { name: &recipient.0, email: &recipient.1 },
                account: &self.account_name,
                kind: self.kind.noun(),
                until: &self.expires_at.in_words(),
                link: &context.url(&format!("/a/{}/settings", self.slug)),
            },
        );
        change.send(&letter).await
    }
    async fn notify_both<A>(&self, change: &mut Change<A>, write: Write) -> Result<()> {
        self.notify(change, &self.from, write).await?;
        self.notify(change, &self.to, write).await
    }
    fn event(&self, action: &'static str) -> NewEvent {
        let event = NewEvent::on(action, "account", self.account, &self.account_name);
        event.changed(json!({ "owner": self.from.email }), json!({ "owner": self.to.email }))
    }
}

/// Offers the ownership to an active member. Nothing changes until they accept.
pub async fn offer(change: &mut Change<Access>, _: &RecentAuth, to: MembershipId) -> Result<Transfer> {
    if !change.access().is_owner {
        return Err(Error::MissingPermission(crate::model::permission::Permission::TransferAccount));
    }
    let member = match members::find(change, to).await {
        Ok(member) => member,
        Err(Error::NotFound) => {
            return Err(Error::invalid("to", "unknown_member", "Choose a member of this account."));
        }
        Err(other) => return Err(other),
    };
    if member.is_owner {
        return Err(Error::invalid("to", "owner", "They own the account already."));
    }
    if !member.is_active {
        return Err(Error::invalid("to", "inactive", "Only an active member can become the owner."));
    }
    if find(change).await?.is_some() {
        return Err(Error::conflict(
            "offer_pending",
            "An offer is pending already. Withdraw it before making another.",
        ));
    }
    let (now, until) = (change.now(), change.now().plus(DAYS * DAY));
    change.query_in_account("delete from transfers where account_id = $1").execute().await?;
    let sql =
        "insert into transfers (account_id, membership_id, offered_at, expires_at) values ($1, $2, $3, $4)";
    change.query_in_account(sql).bind(to).bind(now).bind(until).execute().await?;
    let made = find(change).await?.ok_or_else(|| Error::Internal("an offer just made is gone".into()))?;
    audit::record(change, made.event("transfer.offered")).await?;
    made.notify(change, &made.to, emails::transfer_offered).await?;
    made.notify(change, &made.from, emails::transfer_offered_owner).await?;
    Ok(made)
}

async fn pending(change: &mut Change<Access>) -> Result<Transfer> {
    let gone = "There is no offer any more: it was withdrawn, answered, or has expired.";
    find(change).await?.ok_or_else(|| Error::conflict("no_offer", gone))
}

async fn pending_for_me(change: &mut Change<Access>) -> Result<Transfer> {
    let transfer = pending(change).await?;
    if !change.access().is_user(transfer.to.id) {
        return Err(Error::conflict(
            "not_offered_to_you",
            format!("The ownership is offered to {}.", transfer.to.name),
        ));
    }
    // There is no permission for answering an offer, so a restricted key cannot have been made for it.
    if change.access().rights.only.is_some_and(|only| EVERYDAY.without(only) != Permissions::NONE) {
        let detail = "This key was made for chosen permissions. Answer in the console, or with a key that has no such limit.";
        return Err(Error::AccessDenied { code: "key_limited", detail: detail.into() });
    }
    Ok(transfer)
}

/// Accepts the offer: ownership passes, and the old owner becomes an admin.
pub async fn accept(change: &mut Change<Access>) -> Result<()> {
    let transfer = pending_for_me(change).await?;
    if transfer.kind == Kind::Organization {
        change.lock_user(transfer.to.id).await?;
        accounts::check_limit(change, transfer.to.id, "You own").await?;
    }
    change.query_in_account("delete from transfers where account_id = $1").execute().await?;
    members::set_owner(change, transfer.account, transfer.from.id, transfer.to.id).await?;
    members::make_admin(change, transfer.account, transfer.from.id).await?;
    audit::record(change, transfer.event("transfer.accepted")).await?;
    transfer.notify_both(change, emails::transfer_accepted).await
}

/// Declines the offer.
pub async fn decline(change: &mut Change<Access>) -> Result<()> {
    let transfer = pending_for_me(change).await?;
    change.query_in_account("delete from transfers where account_id = $1").execute().await?;
    audit::record(change, transfer.event("transfer.declined")).await?;
    transfer.notify_both(change, emails::transfer_declined).await
}

/// Withdraws the offer, for the owner.
pub async fn withdraw(change: &mut Change<Access>) -> Result<()> {
    if !change.access().is_owner {
        return Err(Error::MissingPermission(crate::model::permission::Permission::TransferAccount));
    }
    let transfer = pending(change).await?;
    change.query_in_account("delete from transfers where account_id = $1").execute().await?;
    audit::record(change, transfer.event("transfer.withdrawn")).await?;
    transfer.notify_both(change, emails::transfer_withdrawn).await
}

/// Ends expired offers and notifies both sides.
pub async fn sweep(change: &mut Change<System>) -> Result<()> {
    let now = change.now();
    let sql = concatcp!(TRANSFERS, "where t.expires_at <= $1 order by t.account_id limit 100");
    let expired: Vec<TransferRow> = change.query_unscoped(sql).bind(now).fetch_all().await?;
    for transfer in expired.into_iter().map(Transfer::from) {
        change.lock_account(transfer.account).await?;
        let sql = "delete from transfers where account_id = $1 and expires_at <= $2";
        if change.query_unscoped(sql).bind(transfer.account).bind(now).execute().await? == 1 {
            audit::record_in(change, Chain::Account(transfer.account), transfer.event("transfer.expired"))
                .await?;
            transfer.notify_both(change, emails::transfer_expired).await?;
        }
    }
    Ok(())
}
