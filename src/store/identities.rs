//! Google and GitHub accounts of users: found by issuer and subject, never by address.
use super::{
    Anonymous, Change, SignedInUser,
    audit::{self, NewEvent},
    factors, site, users,
};
use crate::{
    clients::social::{Profile, Provider},
    emails,
    error::{Error, Result},
    model::{
        actor::RecentAuth,
        id::{InvitationId, UserId},
        text::{EmailAddress, Name},
        time::Time,
    },
};
use serde_json::{Value, json};

/// A link between a user and a provider.
#[derive(Clone, Debug)]
pub struct Identity {
    /// `google`, `github`, or `sso` for an organization's own provider.
    pub provider: String,
    /// The name of the organization whose provider it is.
    pub organization: Option<String>,
    /// Whether the organization enforces it.
    pub enforced: bool,
    /// The account's name or address at the provider.
    pub label: String,
    pub linked_at: Time,
    /// The last sign-in with it.
    pub used_at: Time,
}

/// The outcome of a sign-in with Google or GitHub.
#[derive(Debug, PartialEq, Eq)]
pub enum SocialSignIn {
    Linked(UserId),
    /// A new user was created.
    New(UserId),
    /// The address has a user who is not linked: they must sign in the usual way once, and link.
    Unlinked,
    /// The provider did not verify the address.
    Unverified,
    /// No user, and sign-up is by invitation only.
    Closed,
}

/// Finds the linked user, or creates one for a verified address.
pub async fn sign_in(change: &mut Change<Anonymous>, profile: &Profile) -> Result<SocialSignIn> {
    let now = change.now();
    let sql =
        "update identities set used_at = $3, label = $4 where issuer = $1 and subject = $2 returning user_id";
    let known: Option<(UserId,)> = change
        .query_unscoped(sql)
        .bind(profile.issuer.as_str())
        .bind(profile.subject.as_str())
        .bind(now)
        .bind(profile.label.as_str())
        .fetch_optional()
        .await?;
    if let Some((user,)) = known {
        return Ok(SocialSignIn::Linked(user));
    }
    let Some(email) = profile.email.as_deref().and_then(|email| EmailAddress::parse(email).ok()) else {
        return Ok(SocialSignIn::Unverified);
    };
    if users::find(change, &email).await?.is_some() {
        return Ok(SocialSignIn::Unlinked);
    }
    // Locked until the end, so that two first users are created one after the other.
    change.query_unscoped("select 1 from installation where id = 1 for no key update").execute().await?;
    let first = !users::has_operator(change).await?;
    if !change.context().config.open_sign_up && !first && !is_invited(change, &email).await? {
        return Ok(SocialSignIn::Closed);
    }
    let name = profile.name.as_deref().and_then(|name| Name::parse(name).ok());
    let name = match name.or_else(|| Name::parse(email.local()).ok()) {
        Some(name) => name,
        None => Name::parse(profile.provider.label()).map_err(Error::at("name"))?,
    };
    let operator = first && change.context().config.loopback;
    let new = users::NewUser { name: &name, email: &email, password: None, operator };
    // `None`: another request created the user meanwhile.
    let Some((user, _)) = users::create(change, &new).await? else { return Ok(SocialSignIn::Unlinked) };
    insert(change, user.id, profile).await?;
    Ok(SocialSignIn::New(user.id))
}

async fn is_invited(change: &mut Change<Anonymous>, email: &EmailAddress) -> Result<bool> {
    let now = change.now();
    let sql =
        "select id from invitations where email_key = $1 and status = 'pending' and expires_at > $2 limit 1";
    Ok(change
        .query_unscoped(sql)
        .bind(email.key())
        .bind(now)
        .fetch_optional::<(InvitationId,)>()
        .await?
        .is_some())
}

/// False if it is linked already, to any user.
async fn insert<A>(change: &mut Change<A>, user: UserId, profile: &Profile) -> Result<bool> {
    let (id, now) = (change.context().id(), change.now());
    let inserted = change
        .query_unscoped(
            "insert into identities (id, user_id, provider, issuer, subject, label, linked_at, used_at)
             values ($1, $2, $3, $4, $5, $6, $7, $7) on conflict do nothing",
        )
        .bind(id)
        .bind(user)
        .bind(profile.provider.as_str())
        .bind(profile.issuer.as_str())
        .bind(profile.subject.as_str())
        .bind(profile.label.as_str())
        .bind(now)
        .execute()
        .await?;
    Ok(inserted == 1)
}

/// Links the signed-in user with their account at a provider. The addresses may differ: they have authenticated with both.
pub async fn link(change: &mut Change<SignedInUser>, _: &RecentAuth, profile: &Profile) -> Result<()> {
    let (me, title) = (change.user_id(), profile.provider.label());
    change.lock_user(me).await?;
    let sql = "select user_id, issuer, subject from identities
        where (issuer = $2 and subject = $3) or (user_id = $1 and provider = $4)";
    let linked: Vec<(UserId, String, String)> = change
        .query_of_user(sql)
        .bind(profile.issuer.as_str())
        .bind(profile.subject.as_str())
        .bind(profile.provider.as_str())
        .fetch_all()
        .await?;
    let is_this =
        |identity: &&(UserId, String, String)| identity.1 == profile.issuer && identity.2 == profile.subject;
    match linked.iter().find(is_this) {
        Some((user, ..)) if *user == me => return Ok(()),
        Some(_) => return Err(taken(title)),
        None if !linked.is_empty() => {
            let detail =
                format!("You are linked with another user of {title} already. Unlink that one first.");
            return Err(Error::conflict("linked_already", detail));
        }
        None => {}
    }
    if !insert(change, me, profile).await? {
        return Err(taken(title));
    }
    let after = json!({ "provider": profile.provider.as_str(), "as": profile.label });
    record(change, "user.linked", Value::Null, after).await?;
    notify(change, profile.provider, Some(&profile.label)).await
}

fn taken(title: &str) -> Error {
    let detail = format!("Who you are at {title} is linked with another user here. Unlink it there first.");
    Error::conflict("identity_taken", detail)
}

/// Removes a link, unless it is the last way to sign in.
pub async fn unlink(change: &mut Change<SignedInUser>, _: &RecentAuth, provider: Provider) -> Result<()> {
    let me = change.user_id();
    // Locked, so that two links that are removed at once are counted one after the other.
    change.lock_user(me).await?;
    let all: Vec<(String, String)> =
        change.query_of_user("select provider, label from identities where user_id = $1").fetch_all().await?;
    let Some((_, label)) = all.iter().find(|identity| identity.0 == provider.as_str()) else { return Ok(()) };
    let available = factors::available(change, me).await?;
    if all.len() == 1 && !available.password && available.passkeys == 0 {
        let detail = format!(
            "{} is your only way to sign in. Set a password or add a passkey first.",
            provider.label()
        );
        return Err(Error::conflict("last_way", detail));
    }
    change
        .query_of_user("delete from identities where user_id = $1 and provider = $2")
        .bind(provider.as_str())
        .execute()
        .await?;
    let before = json!({ "provider": provider.as_str(), "as": label });
    record(change, "user.unlinked", before, Value::Null).await?;
    notify(change, provider, None).await
}

async fn record(
    change: &mut Change<SignedInUser>,
    action: &'static str,
    before: Value,
    after: Value,
) -> Result<()> {
    let user = change.user().clone();
    let chain = users::chain(change, user.id).await?;
    let event = NewEvent::on(action, "user", user.id, &user.email).changed(before, after);
    audit::record_in(change, chain, event).await
}

async fn notify(change: &mut Change<SignedInUser>, provider: Provider, label: Option<&str>) -> Result<()> {
    let (context, to, at) = (change.context().clone(), change.user().email.clone(), change.now().in_words());
    let letter = emails::identity_changed(&site(&context), &to, provider.label(), label, &at);
    change.send(&letter).await
}
