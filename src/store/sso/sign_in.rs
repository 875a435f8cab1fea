//! Sign-in through an organization's provider. Users are identified by the provider's subject, never by their address.
use super::{
    super::{
        Anonymous, Change, Scope, SignedInUser,
        audit::{self, Chain, NewEvent},
        domains,
        memberships::{self, JoinedBy},
        site, users,
    },
    Connection,
    groups::apply_groups,
};
use crate::{
    clients::oidc::OidcError,
    emails,
    error::{Error, Result},
    model::{
        access::Access,
        actor::{Actor, UserSummary},
        grant::Grant,
        id::{AccountId, IdentityId, MembershipId, UserId},
        role::BuiltIn,
        text::{EmailAddress, Name},
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The verified claims of the provider about a user.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SsoProfile {
    /// The organization whose provider it is.
    pub account: AccountId,
    pub issuer: String,
    pub subject: String,
    pub email: String,
    pub name: Option<String>,
    /// `None` if the provider sends no groups.
    pub groups: Option<Vec<String>>,
    /// The provider's session id.
    pub sid: Option<String>,
}

/// The outcome of a sign-in through the provider.
#[derive(Clone, Debug)]
pub enum SignedIn {
    As(UserId, IdentityId),
    /// There is a user with this address, or a member who is signed in: they must link by a sign-in of their own once.
    MustLink,
}

/// Checks the claimed address: it must not be unverified at the provider, and its domain must be verified by the organization.
pub async fn address<A>(
    scope: &mut Scope<A>,
    account: AccountId,
    email: Option<&str>,
    verified: Option<bool>,
) -> Result<Result<EmailAddress, OidcError>> {
    let refuse = |code, detail: String| Ok(Err(OidcError::new(code, detail)));
    let Some(email) = email else {
        let detail = "The provider does not tell your e-mail address. Let it send the claim “email”.";
        return refuse("email_missing", detail.into());
    };
    let email = match EmailAddress::parse(email) {
        Ok(email) => email,
        Err(error) => {
            return refuse(
                "email_invalid",
                format!("The provider tells an address that is none: {}", error.detail),
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

async fn identity<A>(scope: &mut Scope<A>, profile: &SsoProfile) -> Result<Option<(IdentityId, UserId)>> {
    let sql = "select id, user_id from sso_identities where account_id = $1 and issuer = $2 and subject = $3";
    let query = scope
        .query_unscoped(sql)
        .bind(profile.account)
        .bind(profile.issuer.clone())
        .bind(profile.subject.clone());
    Ok(query.fetch_optional().await?)
}

pub(super) async fn membership<A>(
    scope: &mut Scope<A>,
    account: AccountId,
    user: UserId,
) -> Result<Option<(MembershipId, bool)>> {
    let sql = "select id, is_owner from memberships where account_id = $1 and user_id = $2";
    Ok(scope.query_unscoped(sql).bind(account).bind(user).fetch_optional().await?)
}

/// Signs in a member whose identity is known, or creates a user. `signed_in` is the user of the browser's session. From here on the
/// provider is the actor.
pub async fn sign_in(
    change: &mut Change<Anonymous>,
    connection: &Connection,
    profile: &SsoProfile,
    signed_in: Option<UserId>,
) -> Result<Result<SignedIn, OidcError>> {
    change.act_as(Actor::IdentityProvider { account: profile.account, issuer: profile.issuer.clone() });
    change.lock_account(profile.account).await?;
    if let Some((identity, user)) = identity(change, profile).await? {
        if membership(change, profile.account, user).await?.is_none() {
            let detail =
                "You are not a member of this organization any more. Ask its administrators to invite you.";
            return Ok(Err(OidcError::new("not_a_member", detail)));
        }
        let now = change.now();
        let sql = "update sso_identities set used_at = $2, email = $3 where id = $1";
        let query = change.query_unscoped(sql).bind(identity).bind(now);
        query.bind(profile.email.clone()).execute().await?;
        let user = users::summary(change, user).await?;
        enter(change, connection, profile, &user, true).await?;
        return Ok(Ok(SignedIn::As(user.id, identity)));
    }
    let email = EmailAddress::parse(&profile.email).map_err(Error::at("email"))?;
    let is_member = match signed_in {
        Some(user) => membership(change, profile.account, user).await?.is_some(),
        None => false,
    };
    if is_member || users::find(change, &email).await?.is_some() {
        return Ok(Ok(SignedIn::MustLink));
    }
    let name = profile.name.as_deref().and_then(|name| Name::parse(name).ok());
    let name = match name {
        Some(name) => name,
        None => {
            Name::parse(email.local()).or_else(|_| Name::parse("New member")).map_err(Error::at("name"))?
        }
    };
    let new = users::NewUser { name: &name, email: &email, password: None, operator: false };
    let Some((user, _)) = users::create(change, &new).await? else { return Ok(Ok(SignedIn::MustLink)) };
    let identity = link(change, profile, &user).await?;
    enter(change, connection, profile, &user, false).await?;
    Ok(Ok(SignedIn::As(user.id, identity)))
}

async fn link<A>(change: &mut Change<A>, profile: &SsoProfile, user: &UserSummary) -> Result<IdentityId> {
    let (id, now) = (IdentityId(change.context().id()), change.now());
    let sql =
        "insert into sso_identities (id, account_id, issuer, subject, user_id, email, linked_at, used_at)
        values ($1, $2, $3, $4, $5, $6, $7, $7)";
    change
        .query_unscoped(sql)
        .bind(id)
        .bind(profile.account)
        .bind(profile.issuer.clone())
        .bind(profile.subject.clone())
        .bind(user.id)
        .bind(profile.email.clone())
        .bind(now)
        .execute()
        .await?;
    let event = NewEvent::on("sso.linked", "user", user.id, &user.email)
        .changed(Value::Null, json!({ "issuer": profile.issuer, "email": profile.email }));
    audit::record_in(change, Chain::Account(profile.account), event).await?;
    Ok(id)
}

/// Links the signed-in user, who has authenticated by their own means, with the provider's profile.
pub async fn link_me(
    change: &mut Change<SignedInUser>,
    connection: &Connection,
    profile: &SsoProfile,
) -> Result<IdentityId> {
    change.lock_account(profile.account).await?;
    let user = change.user().clone();
    let is_member = membership(change, profile.account, user.id).await?.is_some();
    if !is_member && !user.email.eq_ignore_ascii_case(&profile.email) {
        let detail = format!(
            "The provider says that you are {}, and you are signed in as {}.",
            profile.email, user.email
        );
        return Err(Error::conflict("other_address", detail));
    }
    if let Some((id, linked)) = identity(change, profile).await? {
        if linked == user.id {
            return Ok(id);
        }
        return Err(Error::conflict(
            "linked_elsewhere",
            "This identity belongs to another user here already.",
        ));
    }
    let id = link(change, profile, &user).await?;
    enter(change, connection, profile, &user, is_member).await?;
    let chain = users::chain(change, user.id).await?;
    let event = NewEvent::on("sso.linked", "user", user.id, &user.email)
        .changed(Value::Null, json!({ "issuer": profile.issuer, "email": profile.email }));
    audit::record_in(change, chain, event).await?;
    let name = account_name(change, profile.account).await?;
    let letter = emails::sso_linked(&site(change.context()), &user.email, &name, &profile.email);
    change.send(&letter).await?;
    Ok(id)
}

async fn account_name<A>(scope: &mut Scope<A>, account: AccountId) -> Result<String> {
    let (name,): (String,) =
        scope.query_unscoped("select name from accounts where id = $1").bind(account).fetch_one().await?;
    Ok(name)
}

/// Makes the user a member of the organization with its default grants, unless they are one, and applies their groups.
async fn enter<A>(
    change: &mut Change<A>,
    connection: &Connection,
    profile: &SsoProfile,
    user: &UserSummary,
    is_member: bool,
) -> Result<()> {
    let work = async |change: &mut Change<Access>| {
        if !is_member {
            let grants = starting_grants(&connection.default_grants);
            memberships::join(change, user, JoinedBy::Sso(&profile.issuer), &grants).await?;
        }
        apply_groups(change, connection, profile, user.id).await
    };
    change.in_account_as_system(profile.account, work).await
}

/// The grants of a new member: the role `member` if none of the configured ones is left.
pub fn starting_grants(grants: &[Grant]) -> Vec<Grant> {
    if grants.is_empty() { vec![Grant::whole(BuiltIn::Member, true)] } else { grants.to_vec() }
}

/// Records a refused sign-in in the audit log.
pub async fn record_refusal<A>(
    change: &mut Change<A>,
    account: AccountId,
    refusal: &OidcError,
    email: Option<&str>,
) -> Result<()> {
    let event = NewEvent::on("sso.refused", "sso", account, email.unwrap_or("Somebody"))
        .changed(Value::Null, json!({ "code": refusal.code, "detail": refusal.detail }));
    audit::record_in(change, Chain::Account(account), event).await
}
