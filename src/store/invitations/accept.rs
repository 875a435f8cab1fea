//! Invitations from the invitee's side: find, accept and decline.
use super::super::{
    Anonymous, Change, Scope, SignedInUser, accounts,
    audit::{self, Chain, NewEvent},
    grants::{self, GrantHolder},
    memberships::{self, JoinedBy},
    users,
};
use crate::{
    crypto::secrets::hash,
    error::{Error, Result},
    model::{
        access::Access,
        account::{Kind, LoginType},
        actor::UserSummary,
        grant::Grant,
        id::{AccountId, InvitationId, UserId},
        role::BuiltIn,
        text::{EmailAddress, Name},
        time::Time,
    },
};
use const_format::concatcp;
use uuid::Uuid;

/// What a link proves about its bearer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// It was mailed: the bearer reads the mail of the invited address.
    Address,
    /// It was copied and passed on by hand.
    Nothing,
}

/// An invitation as the invited person sees it.
#[derive(Clone, Debug)]
pub struct Offer {
    pub id: InvitationId,
    pub account: AccountId,
    pub account_slug: String,
    pub account_name: String,
    pub kind: Kind,
    /// The organization of the team, if accepting joins it as well.
    pub organization: Option<String>,
    pub email: String,
    pub grants: Vec<Grant>,
    pub login_type: LoginType,
    /// The inviter's name and address; `None` if their user was deleted.
    pub inviter: Option<(String, String)>,
    /// `pending`, `accepted`, `declined`, `revoked`, `expired`.
    pub status: &'static str,
    pub expires_at: Time,
    pub proof: Proof,
}

#[derive(sqlx::FromRow)]
struct OfferRow {
    id: InvitationId,
    account_id: AccountId,
    account_slug: String,
    account_name: String,
    kind: Kind,
    admins_may_delete: bool,
    parent_name: Option<String>,
    joins_parent: bool,
    email: String,
    login_type: LoginType,
    inviter_name: Option<String>,
    inviter_email: Option<String>,
    status: String,
    expires_at: Time,
    is_mailed: bool,
}

/// `$1` is the hash of the token.
const OFFERS: &str = "select i.id, i.account_id, a.slug as account_slug, a.name as account_name, a.kind, a.admins_may_delete, p.name as parent_name, i.joins_parent,
                i.email, i.login_type, u.name as inviter_name, u.email as inviter_email, i.status, i.expires_at,
                i.token_hash = $1 as is_mailed
             from invitations i join accounts a on a.id = i.account_id left join accounts p on p.id = a.parent_id
             left join users u on u.id = i.invited_by ";

async fn offers<A>(scope: &mut Scope<A>, rows: Vec<OfferRow>) -> Result<Vec<Offer>> {
    let now = scope.now();
    let mut grants = vec![];
    // What an admin may do depends on the account's policy: one statement for each of its two values, however many rows.
    for policy in [true, false] {
        let rows = rows.iter().filter(|row| row.admins_may_delete == policy);
        let ids: Vec<Uuid> = rows.map(|row| row.id.0).collect();
        if let Some(first) = ids.first() {
            grants.extend(
                grants::of(scope, GrantHolder::Invitation(InvitationId(*first)), &ids, policy).await?,
            );
        }
    }
    let mut offers = vec![];
    for row in rows {
        let status = super::status(&row.status, row.expires_at, now);
        offers.push(Offer {
            id: row.id,
            account: row.account_id,
            account_slug: row.account_slug,
            account_name: row.account_name,
            kind: row.kind,
            organization: row.parent_name.filter(|_| row.joins_parent),
            email: row.email,
            grants: grants.iter().filter(|(id, _)| *id == row.id.0).map(|(_, grant)| grant.clone()).collect(),
            login_type: row.login_type,
            inviter: row.inviter_name.zip(row.inviter_email),
            status,
            expires_at: row.expires_at,
            proof: if row.is_mailed { Proof::Address } else { Proof::Nothing },
        });
    }
    Ok(offers)
}

/// By the secret of the mailed link or of the copied one.
pub async fn find_by_token<A>(scope: &mut Scope<A>, secret: &str) -> Result<Option<Offer>> {
    let sql = concatcp!(OFFERS, "where i.token_hash = $1 or i.link_hash = $1");
    let rows = scope.query_unscoped(sql).bind(hash(secret)).fetch_all().await?;
    Ok(offers(scope, rows).await?.pop())
}

/// By id, if it is for the signed-in user's address.
pub async fn find_by_id(scope: &mut Scope<SignedInUser>, id: InvitationId) -> Result<Option<Offer>> {
    let email = scope.user().email.to_lowercase();
    let sql = concatcp!(OFFERS, "where i.id = $2 and i.email_key = $3");
    let rows = scope.query_unscoped(sql).bind(Vec::<u8>::new()).bind(id).bind(email).fetch_all().await?;
    Ok(offers(scope, rows).await?.pop())
}

/// The invitations that wait for the signed-in user's address.
pub async fn waiting(scope: &mut Scope<SignedInUser>) -> Result<Vec<Offer>> {
    let (email, now) = (scope.user().email.to_lowercase(), scope.now());
    let sql = concatcp!(
        OFFERS,
        "where i.email_key = $2 and i.status = 'pending' and i.expires_at > $3 order by i.id desc limit 20"
    );
    let rows = scope.query_unscoped(sql).bind(Vec::<u8>::new()).bind(email).bind(now).fetch_all().await?;
    offers(scope, rows).await
}

/// Locks the accounts that change, the parent first, and marks the invitation as accepted if it is still pending. Returns the
/// account's parent, and whether accepting joins it.
async fn use_up<A>(change: &mut Change<A>, offer: &Offer) -> Result<(Option<(AccountId, Kind)>, bool)> {
    let parent: Option<(AccountId, Kind, bool)> = change
        .query_unscoped(
            "select p.id, p.kind, i.joins_parent from invitations i join accounts a on a.id = i.account_id
              join accounts p on p.id = a.parent_id where i.id = $1",
        )
        .bind(offer.id)
        .fetch_optional()
        .await?;
    for account in parent.iter().map(|parent| parent.0).chain([offer.account]) {
        change.lock_account(account).await?;
    }
    let now = change.now();
    let sql =
        "update invitations set status = 'accepted' where id = $1 and status = 'pending' and expires_at > $2";
    if change.query_unscoped(sql).bind(offer.id).bind(now).execute().await? == 0 {
        let detail = "This invitation was answered, taken back, or has expired. Ask for a new one.";
        return Err(Error::conflict("invitation_over", detail));
    }
    Ok((parent.map(|(id, kind, _)| (id, kind)), parent.is_some_and(|(.., joins)| joins)))
}

/// Joins as the signed-in user, whose address must be the invited one. Answers the account's slug.
pub async fn accept(change: &mut Change<SignedInUser>, offer: &Offer) -> Result<String> {
    let user = change.user().clone();
    if user.email.to_lowercase() != offer.email.to_lowercase() {
        let detail = format!("This invitation is for {}. You are signed in as {}.", offer.email, user.email);
        return Err(Error::conflict("other_address", detail));
    }
    join(change, offer, &user).await
}

/// Joins as a new user: the mailed link proves the address.
pub async fn accept_as_new(
    change: &mut Change<Anonymous>,
    offer: &Offer,
    name: &Name,
    password: &str,
) -> Result<(UserSummary, String)> {
    if offer.proof != Proof::Address {
        let detail =
            format!("This link does not prove an address. Sign up with {} first, then accept.", offer.email);
        return Err(Error::conflict("address_unproven", detail));
    }
    let email = EmailAddress::parse(&offer.email).map_err(Error::at("email"))?;
    let new = users::NewUser { name, email: &email, password: Some(password), operator: false };
    let created = users::create(change, &new).await?;
    let (user, _) = created.ok_or_else(|| {
        Error::conflict(
            "known_address",
            format!("{email} has a user already. Sign in, then accept the invitation."),
        )
    })?;
    let slug = join(change, offer, &user).await?;
    Ok((user, slug))
}

async fn join<A>(change: &mut Change<A>, offer: &Offer, user: &UserSummary) -> Result<String> {
    let (parent, joins_parent) = use_up(change, offer).await?;
    if let Some((parent, Kind::Organization)) = parent {
        enter_parent(change, parent, joins_parent, offer, user).await?;
    }
    let join = async |change: &mut Change<Access>| {
        memberships::join(change, user, JoinedBy::Invitation(offer.id), &[]).await
    };
    if change.in_account_as_system(offer.account, join).await?.is_none() {
        let detail = format!("You are a member of {} already.", offer.account_name);
        return Err(Error::conflict("already_member", detail));
    }
    accounts::slug_of(change, offer.account).await
}

/// A team's members are members of its organization. Somebody from outside joins it too, if the invitation says so.
async fn enter_parent<A>(
    change: &mut Change<A>,
    parent: AccountId,
    joins_parent: bool,
    offer: &Offer,
    user: &UserSummary,
) -> Result<()> {
    let sql = "select id from memberships where account_id = $1 and user_id = $2";
    let query = change.query_unscoped(sql).bind(parent).bind(user.id);
    if query.fetch_optional::<(Uuid,)>().await?.is_some() {
        return Ok(());
    }
    if !joins_parent {
        let detail = "This team takes members of its organization only, and you are not one any more.";
        return Err(Error::conflict("not_in_organization", detail));
    }
    let join = async |change: &mut Change<Access>| {
        let member = [Grant::whole(BuiltIn::Member, true)];
        memberships::join(change, user, JoinedBy::Team(&offer.account_name), &member).await
    };
    change.in_account_as_system(parent, join).await?;
    Ok(())
}

pub async fn decline<A>(change: &mut Change<A>, offer: &Offer) -> Result<()> {
    let now = change.now();
    let sql =
        "update invitations set status = 'declined' where id = $1 and status = 'pending' and expires_at > $2";
    if change.query_unscoped(sql).bind(offer.id).bind(now).execute().await? == 0 {
        let detail = "This invitation was answered, taken back, or has expired already.";
        return Err(Error::conflict("invitation_over", detail));
    }
    change.lock_account(offer.account).await?;
    let event = NewEvent::on("invitation.declined", "invitation", offer.id, &offer.email);
    audit::record_in(change, Chain::Account(offer.account), event).await
}

/// The user of an address, if there is one: whether a link leads to sign-in or to a new user.
pub async fn has_user<A>(scope: &mut Scope<A>, offer: &Offer) -> Result<Option<UserId>> {
    let sql = "select id from users where email_key = $1";
    let found: Option<(UserId,)> =
        scope.query_unscoped(sql).bind(offer.email.to_lowercase()).fetch_optional().await?;
    Ok(found.map(|(id,)| id))
}

/// Whether the signed-in user is a member of the offer's account already.
pub async fn is_member(scope: &mut Scope<SignedInUser>, offer: &Offer) -> Result<bool> {
    let sql = "select id from memberships where user_id = $1 and account_id = $2";
    Ok(scope.query_of_user(sql).bind(offer.account).fetch_optional::<(Uuid,)>().await?.is_some())
}
