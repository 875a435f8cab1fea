//! Ownership: an offer, which the other side accepts; one transaction then.
use super::{
    Change, Host, Scope,
    access::EVERYDAY,
    accounts,
    audit::{self, Chain, Did},
    members, site,
};
use crate::{
    emails::{self, Letter, Site},
    error::{Error, Result},
    model::{
        access::{Fresh, Person},
        account::Kind,
        id::{AccountId, MembershipId, UserId},
        permission::Permissions,
        time::{DAY, Time},
    },
};
use serde_json::json;

/// How long an offer holds.
const DAYS: u32 = 7;

/// An offer of ownership.
#[derive(Clone, Debug)]
pub struct Transfer {
    /// The account.
    pub account: AccountId,
    /// To which member.
    pub to_member: MembershipId,
    /// Who that is.
    pub to: Person,
    /// The owner.
    pub from: Person,
    /// When it was made.
    pub offered_at: Time,
    /// Until when it holds.
    pub expires_at: Time,
    account_name: String,
    slug: String,
    kind: Kind,
}

#[derive(sqlx::FromRow)]
struct Row {
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

impl From<Row> for Transfer {
    fn from(it: Row) -> Transfer {
        Transfer {
            account: it.account_id,
            to_member: it.membership_id,
            to: Person { id: it.to_id, name: it.to_name, email: it.to_email },
            from: Person { id: it.from_id, name: it.from_name, email: it.from_email },
            offered_at: it.offered_at,
            expires_at: it.expires_at,
            account_name: it.account_name,
            slug: it.slug,
            kind: it.kind,
        }
    }
}

macro_rules! transfer {
    ($rest:literal) => {
        concat!(
            "select t.account_id, a.name as account_name, a.slug, a.kind, t.membership_id, u.id as to_id, u.name as to_name,
                u.email as to_email, o.id as from_id, o.name as from_name, o.email as from_email, t.offered_at, t.expires_at
             from transfers t join accounts a on a.id = t.account_id join memberships m on m.id = t.membership_id
             join users u on u.id = m.user_id join users o on o.id = a.owner_id ",
            $rest
        )
    };
}

/// The offer that is pending in the account.
pub async fn find(scope: &mut Scope) -> Result<Option<Transfer>> {
    let now = scope.now();
    let sql = transfer!("where t.account_id = $1 and t.expires_at > $2");
    let found: Option<Row> = scope.ask(sql).bind(now).fetch_optional().await?;
    Ok(found.map(Transfer::from))
}

type Write = fn(&Site<'_>, &str, &emails::Transfer<'_>) -> Letter;

impl Transfer {
    async fn tell<W: super::Who>(&self, change: &mut Change<W>, to: &Person, write: Write) -> Result<()> {
        let kit = change.kit().clone();
        let person = |it: &'_ Person| -> (String, String) { (it.name.clone(), it.email.clone()) };
        let (owner, recipient) = (person(&self.from), person(&self.to));
        let letter = write(
            &site(&kit),
            &to.email,
            &emails::Transfer {
                owner: emails::Person { name: &owner.0, email: &owner.1 },
                recipient: emails::Person { name: &recipient.0, email: &recipient.1 },
                account: &self.account_name,
                kind: self.kind.noun(),
                until: &self.expires_at.in_words(),
                link: &kit.url(&format!("/a/{}/settings", self.slug)),
            },
        );
        change.post(&letter).await
    }
    async fn tell_both<W: super::Who>(&self, change: &mut Change<W>, write: Write) -> Result<()> {
        self.tell(change, &self.from, write).await?;
        self.tell(change, &self.to, write).await
    }
    fn did(&self, action: &'static str) -> Did {
        let did = Did::to(action, "account", self.account, &self.account_name);
        did.changed(json!({ "owner": self.from.email }), json!({ "owner": self.to.email }))
    }
}

/// Offers the ownership to an active member. Until they accept, nothing changes.
pub async fn offer(change: &mut Change, _: &Fresh, to: MembershipId) -> Result<Transfer> {
    if !change.who().is_owner {
        return Err(Error::Forbidden(crate::model::permission::Permission::TransferAccount));
    }
    let member = match members::find(change, to).await {
        Ok(it) => it,
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
    change.ask("delete from transfers where account_id = $1").execute().await?;
    let sql =
        "insert into transfers (account_id, membership_id, offered_at, expires_at) values ($1, $2, $3, $4)";
    change.ask(sql).bind(to).bind(now).bind(until).execute().await?;
    let made = find(change).await?.ok_or_else(|| Error::Internal("an offer just made is gone".into()))?;
    audit::here(change, made.did("transfer.offered")).await?;
    made.tell(change, &made.to, emails::transfer_offered).await?;
    made.tell(change, &made.from, emails::transfer_offered_owner).await?;
    Ok(made)
}

async fn pending(change: &mut Change) -> Result<Transfer> {
    let gone = "There is no offer any more: it was withdrawn, answered, or has expired.";
    find(change).await?.ok_or_else(|| Error::conflict("no_offer", gone))
}

async fn pending_for_me(change: &mut Change) -> Result<Transfer> {
    let it = pending(change).await?;
    if it.to.id != change.who().person.id {
        return Err(Error::conflict(
            "not_offered_to_you",
            format!("The ownership is offered to {}.", it.to.name),
        ));
    }
    // No permission stands for an answer, so a key that was made for a few cannot have been made for this one.
    if change.who().rights.only.is_some_and(|only| EVERYDAY.without(only) != Permissions::NONE) {
        let detail = "This key was made for chosen permissions. Answer in the console, or with a key that has no such limit.";
        return Err(Error::Barred { code: "key_limited", detail: detail.into() });
    }
    Ok(it)
}

/// The other side says yes: both change in one step, and the old owner becomes an admin.
pub async fn accept(change: &mut Change) -> Result<()> {
    let it = pending_for_me(change).await?;
    if it.kind == Kind::Organization {
        change.lock_user(it.to.id).await?;
        accounts::check_limit(change, it.to.id, "You own").await?;
    }
    change.ask("delete from transfers where account_id = $1").execute().await?;
    members::set_owner(change, it.account, it.from.id, it.to.id).await?;
    members::make_admin(change, it.account, it.from.id).await?;
    audit::here(change, it.did("transfer.accepted")).await?;
    it.tell_both(change, emails::transfer_accepted).await
}

/// The other side says no.
pub async fn decline(change: &mut Change) -> Result<()> {
    let it = pending_for_me(change).await?;
    change.ask("delete from transfers where account_id = $1").execute().await?;
    audit::here(change, it.did("transfer.declined")).await?;
    it.tell_both(change, emails::transfer_declined).await
}

/// The owner takes the offer back.
pub async fn withdraw(change: &mut Change) -> Result<()> {
    if !change.who().is_owner {
        return Err(Error::Forbidden(crate::model::permission::Permission::TransferAccount));
    }
    let it = pending(change).await?;
    change.ask("delete from transfers where account_id = $1").execute().await?;
    audit::here(change, it.did("transfer.withdrawn")).await?;
    it.tell_both(change, emails::transfer_withdrawn).await
}

/// Offers that nobody answered in time end; both sides are told.
pub async fn sweep(change: &mut Change<Host>) -> Result<()> {
    let now = change.now();
    let sql = transfer!("where t.expires_at <= $1 order by t.account_id limit 100");
    let over: Vec<Row> = change.sql(sql).bind(now).fetch_all().await?;
    for it in over.into_iter().map(Transfer::from) {
        change.sql("select 1 from accounts where id = $1 for no key update").bind(it.account).execute().await?;
        let sql = "delete from transfers where account_id = $1 and expires_at <= $2";
        if change.sql(sql).bind(it.account).bind(now).execute().await? == 1 {
            audit::write(change, Chain::Account(it.account), it.did("transfer.expired")).await?;
            it.tell_both(change, emails::transfer_expired).await?;
        }
    }
    Ok(())
}
