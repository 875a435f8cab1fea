//! Somebody comes back from an organization's provider. They are who the provider's own name for them says, never whoever has
//! the same address.
use super::{
    super::{
        Change, Me, Scope, Visitor, Who, accounts,
        audit::{self, Chain, Did},
        domains,
        grants::{self, Of},
        memberships, site, users,
    },
    Connection,
    groups::settle,
};
use crate::{
    clients::oidc::Refusal,
    emails,
    error::{Error, Result},
    model::{
        access::Person,
        account::LoginType,
        grant::Grant,
        id::{AccountId, IdentityId, MembershipId, UserId},
        role::BuiltIn,
        text::{Email, Name},
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Who came, as the provider tells it: all of it checked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Guest {
    /// The organization whose provider it is.
    pub account: AccountId,
    /// The provider.
    pub issuer: String,
    /// Its name for the person.
    pub subject: String,
    /// Their address.
    pub email: String,
    /// Their name.
    pub name: Option<String>,
    /// Their groups; none if the provider does not tell.
    pub groups: Option<Vec<String>>,
    /// The provider's name of its session.
    pub sid: Option<String>,
}

/// What became of them.
#[derive(Clone, Debug)]
pub enum Arrival {
    /// They are this user.
    In(UserId, IdentityId),
    /// They must show once, on their own, that they are a user who is here already.
    Link,
}

/// The address must be the person's own, and of a domain that the organization proved.
pub async fn address<W: Who>(
    scope: &mut Scope<W>,
    account: AccountId,
    email: Option<&str>,
    verified: Option<bool>,
) -> Result<Result<Email, Refusal>> {
    let refuse = |code, detail: String| Ok(Err(Refusal::new(code, detail)));
    let Some(email) = email else {
        let detail = "The provider does not tell your e-mail address. Let it send the claim “email”.";
        return refuse("email_missing", detail.into());
    };
    let email = match Email::parse(email) {
        Ok(it) => it,
        Err(it) => {
            return refuse(
                "email_invalid",
                format!("The provider tells an address that is none: {}", it.detail),
            );
        }
    };
    if verified == Some(false) {
        return refuse(
            "email_unverified",
            format!("The provider has not verified the address {email}. Verify it there first."),
        );
    }
    if !domains::is_of(scope, account, &email).await? {
        let detail = format!(
            "{email} is at no verified domain of this organization. Ask its administrators to add the domain."
        );
        return refuse("email_domain", detail);
    }
    Ok(Ok(email))
}

async fn identity<W: Who>(scope: &mut Scope<W>, guest: &Guest) -> Result<Option<(IdentityId, UserId)>> {
    let sql = "select id, user_id from sso_identities where account_id = $1 and issuer = $2 and subject = $3";
    let asked = scope.sql(sql).bind(guest.account).bind(guest.issuer.clone()).bind(guest.subject.clone());
    Ok(asked.fetch_optional().await?)
}

pub(super) async fn membership<W: Who>(
    scope: &mut Scope<W>,
    account: AccountId,
    user: UserId,
) -> Result<Option<(MembershipId, bool)>> {
    let sql = "select id, is_owner from memberships where account_id = $1 and user_id = $2";
    Ok(scope.sql(sql).bind(account).bind(user).fetch_optional().await?)
}

/// Lets a guest in whose identity is known, or who is new here. `me` is who is signed in on their own in this browser.
pub async fn arrive(
    change: &mut Change<Visitor>,
    connection: &Connection,
    guest: &Guest,
    me: Option<UserId>,
) -> Result<Result<Arrival, Refusal>> {
    change.sql("select 1 from accounts where id = $1 for no key update").bind(guest.account).execute().await?;
    if let Some((identity, user)) = identity(change, guest).await? {
        if membership(change, guest.account, user).await?.is_none() {
            let detail =
                "You are not a member of this organization any more. Ask its administrators to invite you.";
            return Ok(Err(Refusal::new("not_a_member", detail)));
        }
        let now = change.now();
        let sql = "update sso_identities set used_at = $2, email = $3 where id = $1";
        change.sql(sql).bind(identity).bind(now).bind(guest.email.clone()).execute().await?;
        settle(change, connection, guest, user).await?;
        return Ok(Ok(Arrival::In(user, identity)));
    }
    let email = Email::parse(&guest.email).map_err(Error::at("email"))?;
    let is_member = match me {
        Some(me) => membership(change, guest.account, me).await?.is_some(),
        None => false,
    };
    if is_member || users::find(change, &email).await?.is_some() {
        return Ok(Ok(Arrival::Link));
    }
    let name = guest.name.as_deref().and_then(|it| Name::parse(it).ok());
    let name = match name {
        Some(it) => it,
        None => {
            Name::parse(email.local()).or_else(|_| Name::parse("New member")).map_err(Error::at("name"))?
        }
    };
    let new = users::NewUser { name: &name, email: &email, password: None, operator: false };
    let Some((person, _)) = users::create(change, &new).await? else { return Ok(Ok(Arrival::Link)) };
    let identity = link(change, guest, &person).await?;
    join(change, connection, guest, &person).await?;
    settle(change, connection, guest, person.id).await?;
    Ok(Ok(Arrival::In(person.id, identity)))
}

async fn link<W: Who>(change: &mut Change<W>, guest: &Guest, person: &Person) -> Result<IdentityId> {
    let (id, now) = (IdentityId(change.kit().id()), change.now());
    let sql =
        "insert into sso_identities (id, account_id, issuer, subject, user_id, email, linked_at, used_at)
        values ($1, $2, $3, $4, $5, $6, $7, $7)";
    change
        .sql(sql)
        .bind(id)
        .bind(guest.account)
        .bind(guest.issuer.clone())
        .bind(guest.subject.clone())
        .bind(person.id)
        .bind(guest.email.clone())
        .bind(now)
        .execute()
        .await?;
    let did = Did::to("sso.linked", "user", person.id, &person.email)
        .changed(Value::Null, json!({ "issuer": guest.issuer, "email": guest.email }));
    audit::write(change, Chain::Account(guest.account), did).await?;
    Ok(id)
}

/// Links the signed-in user, who showed on their own who they are, to the guest that came from the provider.
pub async fn link_me(change: &mut Change<Me>, connection: &Connection, guest: &Guest) -> Result<IdentityId> {
    change.sql("select 1 from accounts where id = $1 for no key update").bind(guest.account).execute().await?;
    let person = change.who().person.clone();
    let is_member = membership(change, guest.account, person.id).await?.is_some();
    if !is_member && !person.email.eq_ignore_ascii_case(&guest.email) {
        let detail = format!(
            "The provider says that you are {}, and you are signed in as {}.",
            guest.email, person.email
        );
        return Err(Error::conflict("other_address", detail));
    }
    if let Some((id, user)) = identity(change, guest).await? {
        if user == person.id {
            return Ok(id);
        }
        return Err(Error::conflict(
            "linked_elsewhere",
            "This identity belongs to another user here already.",
        ));
    }
    let id = link(change, guest, &person).await?;
    if !is_member {
        join(change, connection, guest, &person).await?;
    }
    settle(change, connection, guest, person.id).await?;
    let chain = users::chain(change, person.id).await?;
    let did = Did::to("sso.linked", "user", person.id, &person.email)
        .changed(Value::Null, json!({ "issuer": guest.issuer, "email": guest.email }));
    audit::write(change, chain, did).await?;
    let name = account_name(change, guest.account).await?;
    let letter = emails::sso_linked(&site(change.kit()), &person.email, &name, &guest.email);
    change.post(&letter).await?;
    Ok(id)
}

async fn account_name<W: Who>(scope: &mut Scope<W>, account: AccountId) -> Result<String> {
    let (name,): (String,) = scope.sql("select name from accounts where id = $1").bind(account).fetch_one().await?;
    Ok(name)
}

/// Makes a member: with what an invitation promised, else with what is given to who is new.
async fn join<W: Who>(
    change: &mut Change<W>,
    connection: &Connection,
    guest: &Guest,
    person: &Person,
) -> Result<()> {
    let account = guest.account;
    let Some(member) = memberships::add(change, account, person, false, LoginType::Any).await? else {
        return Ok(());
    };
    let now = change.now();
    let sql = "update invitations set status = 'accepted' where account_id = $1 and email_key = $2 and status = 'pending'
        and expires_at > $3 returning id";
    let invited: Option<(crate::model::id::InvitationId,)> =
        change.sql(sql).bind(account).bind(person.email.to_lowercase()).bind(now).fetch_optional().await?;
    change.renews_at(&person.email);
    match invited {
        Some((invitation,)) => {
            let sql = "update grants set membership_id = $2, invitation_id = null where invitation_id = $1";
            change.sql(sql).bind(invitation).bind(member).execute().await?;
        }
        None => {
            grants::insert(change, account, Of::Membership(member), &starting(&connection.default_grants))
                .await?;
        }
    }
    accounts::remember(change, person.id, account).await?;
    let labels: Vec<String> = starting(&connection.default_grants).iter().map(Grant::label).collect();
    let did = Did::to("member.joined", "member", member, &person.email);
    let did = did.changed(Value::Null, json!({ "grants": labels, "sso": guest.issuer }));
    audit::write(change, Chain::Account(account), did).await
}

/// Nobody is a member without a role: where all that was to be given is gone, they are plain members.
pub fn starting(grants: &[Grant]) -> Vec<Grant> {
    if grants.is_empty() { vec![Grant::whole(BuiltIn::Member, true)] } else { grants.to_vec() }
}

/// Notes that somebody came and was not let in.
pub async fn refused<W: Who>(
    change: &mut Change<W>,
    account: AccountId,
    refusal: &Refusal,
    email: Option<&str>,
) -> Result<()> {
    let did = Did::to("sso.refused", "sso", account, email.unwrap_or("Somebody"))
        .changed(Value::Null, json!({ "code": refusal.code, "detail": refusal.detail }));
    audit::write(change, Chain::Account(account), did).await
}
