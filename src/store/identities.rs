//! Who somebody is at Google or GitHub: found by issuer and subject, never by an address.
use super::{
    Change, Me, Visitor,
    audit::{self, Did},
    factors, site, users,
};
use crate::{
    clients::social::{Profile, Provider},
    emails,
    error::{Error, Result},
    model::{
        access::Fresh,
        id::{InvitationId, UserId},
        text::{Email, Name},
        time::Time,
    },
};
use serde_json::{Value, json};

/// A link between a user and a provider.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The provider's word; `sso` for an organization's own.
    pub provider: String,
    /// The organization whose provider it is.
    pub organization: Option<String>,
    /// Whether that demands it.
    pub enforced: bool,
    /// As it shows the person.
    pub label: String,
    /// Since when.
    pub linked_at: Time,
    /// When somebody last signed in by it.
    pub used_at: Time,
}

/// Who came through a provider.
#[derive(Debug, PartialEq, Eq)]
pub enum Arrival {
    /// A user who is linked.
    Linked(UserId),
    /// A new user, made just now.
    New(UserId),
    /// Somebody whose address has a user that is not linked: they sign in as themselves once, and link.
    Unlinked,
    /// Somebody whose address the provider does not vouch for.
    Unverified,
    /// Somebody new where people join by invitation.
    Closed,
}

/// Finds who came, or makes a user of somebody new with a verified address.
pub async fn arrive(change: &mut Change<Visitor>, profile: &Profile) -> Result<Arrival> {
    let now = change.now();
    let sql =
        "update identities set used_at = $3, label = $4 where issuer = $1 and subject = $2 returning user_id";
    let known: Option<(UserId,)> = change
        .sql(sql)
        .bind(profile.issuer.as_str())
        .bind(profile.subject.as_str())
        .bind(now)
        .bind(profile.label.as_str())
        .fetch_optional()
        .await?;
    if let Some((user,)) = known {
        return Ok(Arrival::Linked(user));
    }
    let Some(email) = profile.email.as_deref().and_then(|it| Email::parse(it).ok()) else {
        return Ok(Arrival::Unverified);
    };
    if users::find(change, &email).await?.is_some() {
        return Ok(Arrival::Unlinked);
    }
    // Held until the end: two who come first come one after the other.
    change.sql("select 1 from installation where id = 1 for no key update").execute().await?;
    let first = !users::has_operator(change).await?;
    if !change.kit().rules.open_sign_up && !first && !is_invited(change, &email).await? {
        return Ok(Arrival::Closed);
    }
    let name = profile.name.as_deref().and_then(|it| Name::parse(it).ok());
    let name = match name.or_else(|| Name::parse(email.local()).ok()) {
        Some(name) => name,
        None => Name::parse(profile.provider.title()).map_err(Error::at("name"))?,
    };
    let operator = first && change.kit().rules.loopback;
    let new = users::NewUser { name: &name, email: &email, password: None, operator };
    // Somebody was quicker.
    let Some((person, _)) = users::create(change, &new).await? else { return Ok(Arrival::Unlinked) };
    insert(change, person.id, profile).await?;
    Ok(Arrival::New(person.id))
}

async fn is_invited(change: &mut Change<Visitor>, email: &Email) -> Result<bool> {
    let now = change.now();
    let sql =
        "select id from invitations where email_key = $1 and status = 'pending' and expires_at > $2 limit 1";
    Ok(change.sql(sql).bind(email.key()).bind(now).fetch_optional::<(InvitationId,)>().await?.is_some())
}

/// False where it is linked already, to whomever.
async fn insert<W: super::Who>(change: &mut Change<W>, user: UserId, it: &Profile) -> Result<bool> {
    let (id, now) = (change.kit().id(), change.now());
    let made = change
        .sql(
            "insert into identities (id, user_id, provider, issuer, subject, label, linked_at, used_at)
             values ($1, $2, $3, $4, $5, $6, $7, $7) on conflict do nothing",
        )
        .bind(id)
        .bind(user)
        .bind(it.provider.word())
        .bind(it.issuer.as_str())
        .bind(it.subject.as_str())
        .bind(it.label.as_str())
        .bind(now)
        .execute()
        .await?;
    Ok(made == 1)
}

/// Links the signed-in user with who they are at a provider. Whatever its address is: they have shown both.
pub async fn link(change: &mut Change<Me>, _: &Fresh, profile: &Profile) -> Result<()> {
    let (me, title) = (change.who().person.id, profile.provider.title());
    change.lock_user(me).await?;
    let sql = "select user_id, issuer, subject from identities
        where (issuer = $2 and subject = $3) or (user_id = $1 and provider = $4)";
    let there: Vec<(UserId, String, String)> = change
        .ask(sql)
        .bind(profile.issuer.as_str())
        .bind(profile.subject.as_str())
        .bind(profile.provider.word())
        .fetch_all()
        .await?;
    let is_it = |it: &&(UserId, String, String)| it.1 == profile.issuer && it.2 == profile.subject;
    match there.iter().find(is_it) {
        Some((user, ..)) if *user == me => return Ok(()),
        Some(_) => return Err(taken(title)),
        None if !there.is_empty() => {
            let detail =
                format!("You are linked with another user of {title} already. Unlink that one first.");
            return Err(Error::conflict("linked_already", detail));
        }
        None => {}
    }
    if !insert(change, me, profile).await? {
        return Err(taken(title));
    }
    let after = json!({ "provider": profile.provider.word(), "as": profile.label });
    note(change, "user.linked", Value::Null, after).await?;
    tell(change, profile.provider, Some(&profile.label)).await
}

fn taken(title: &str) -> Error {
    let detail = format!("Who you are at {title} is linked with another user here. Unlink it there first.");
    Error::conflict("identity_taken", detail)
}

/// Takes a link away, unless it is the last way to sign in.
pub async fn unlink(change: &mut Change<Me>, _: &Fresh, provider: Provider) -> Result<()> {
    let me = change.who().person.id;
    // Held: two links that are taken away at once are counted one after the other.
    change.lock_user(me).await?;
    let all: Vec<(String, String)> =
        change.ask("select provider, label from identities where user_id = $1").fetch_all().await?;
    let Some((_, label)) = all.iter().find(|it| it.0 == provider.word()) else { return Ok(()) };
    let ways = factors::ways(change, me).await?;
    if all.len() == 1 && !ways.password && ways.passkeys == 0 {
        let detail = format!(
            "{} is your only way to sign in. Set a password or add a passkey first.",
            provider.title()
        );
        return Err(Error::conflict("last_way", detail));
    }
    change
        .ask("delete from identities where user_id = $1 and provider = $2")
        .bind(provider.word())
        .execute()
        .await?;
    let before = json!({ "provider": provider.word(), "as": label });
    note(change, "user.unlinked", before, Value::Null).await?;
    tell(change, provider, None).await
}

async fn note(change: &mut Change<Me>, action: &'static str, before: Value, after: Value) -> Result<()> {
    let person = change.who().person.clone();
    let chain = users::chain(change, person.id).await?;
    let did = Did::to(action, "user", person.id, &person.email).changed(before, after);
    audit::write(change, chain, did).await
}

async fn tell(change: &mut Change<Me>, provider: Provider, label: Option<&str>) -> Result<()> {
    let (kit, to, at) = (change.kit().clone(), change.who().person.email.clone(), change.now().in_words());
    let letter = emails::identity_changed(&site(&kit), &to, provider.title(), label, &at);
    change.post(&letter).await
}
