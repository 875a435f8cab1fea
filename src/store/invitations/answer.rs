//! The other side of an invitation: looked at, accepted, declined.
use super::super::{
    Anonymous, Change, Scope, SignedInUser, accounts,
    audit::{self, Chain, NewEvent},
    grants::{self, Of},
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
use serde_json::{Value, json};
use uuid::Uuid;

/// What a link says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// It was mailed: who has it reads the mail of the invited address.
    Address,
    /// It was passed on by hand.
    Nothing,
}

/// An invitation as the invited person sees it.
#[derive(Clone, Debug)]
pub struct Offer {
    /// Its id.
    pub id: InvitationId,
    /// Into which account.
    pub account: AccountId,
    /// The account's slug.
    pub account_slug: String,
    /// The account's name.
    pub account_name: String,
    /// What kind it is.
    pub kind: Kind,
    /// The organization that one joins as well.
    pub organization: Option<String>,
    /// The address that is invited.
    pub email: String,
    /// As what.
    pub grants: Vec<Grant>,
    /// How one must sign in there.
    pub login_type: LoginType,
    /// Who invites, by name and address; none if they are gone.
    pub inviter: Option<(String, String)>,
    /// `pending`, `accepted`, `declined`, `revoked`, `expired`.
    pub status: &'static str,
    /// Until when it holds.
    pub expires_at: Time,
    /// What the link proves.
    pub proof: Proof,
}

#[derive(sqlx::FromRow)]
struct Row {
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

macro_rules! offer {
    ($rest:literal) => {
        concat!(
            "select i.id, i.account_id, a.slug as account_slug, a.name as account_name, a.kind, a.admins_may_delete, p.name as parent_name, i.joins_parent,
                i.email, i.login_type, u.name as inviter_name, u.email as inviter_email, i.status, i.expires_at,
                i.token_hash = $1 as is_mailed
             from invitations i join accounts a on a.id = i.account_id left join accounts p on p.id = a.parent_id
             left join users u on u.id = i.invited_by ",
            $rest
        )
    };
}

async fn offers<A>(scope: &mut Scope<A>, rows: Vec<Row>) -> Result<Vec<Offer>> {
    let now = scope.now();
    let mut held = vec![];
    // What an admin may do differs by the account's policy: a statement for each of its two values, whatever the rows.
    for policy in [true, false] {
        let those = rows.iter().filter(|it| it.admins_may_delete == policy);
        let ids: Vec<Uuid> = those.map(|it| it.id.0).collect();
        if let Some(first) = ids.first() {
            held.extend(grants::of(scope, Of::Invitation(InvitationId(*first)), &ids, policy).await?);
        }
    }
    let mut offers = vec![];
    for it in rows {
        let status = super::status(&it.status, it.expires_at, now);
        offers.push(Offer {
            id: it.id,
            account: it.account_id,
            account_slug: it.account_slug,
            account_name: it.account_name,
            kind: it.kind,
            organization: it.parent_name.filter(|_| it.joins_parent),
            email: it.email,
            grants: held.iter().filter(|(of, _)| *of == it.id.0).map(|it| it.1.clone()).collect(),
            login_type: it.login_type,
            inviter: it.inviter_name.zip(it.inviter_email),
            status,
            expires_at: it.expires_at,
            proof: if it.is_mailed { Proof::Address } else { Proof::Nothing },
        });
    }
    Ok(offers)
}

/// By the mailed link or the copied one.
pub async fn find_by_token<A>(scope: &mut Scope<A>, secret: &str) -> Result<Option<Offer>> {
    let sql = offer!("where i.token_hash = $1 or i.link_hash = $1");
    let rows = scope.query_unscoped(sql).bind(hash(secret)).fetch_all().await?;
    Ok(offers(scope, rows).await?.pop())
}

/// By id, for the invited address alone: what waits on the profile. Signed in as that address is proof.
pub async fn find_by_id(scope: &mut Scope<SignedInUser>, id: InvitationId) -> Result<Option<Offer>> {
    let email = scope.user().email.to_lowercase();
    let sql = offer!("where i.id = $2 and i.email_key = $3");
    let rows = scope.query_unscoped(sql).bind(Vec::<u8>::new()).bind(id).bind(email).fetch_all().await?;
    Ok(offers(scope, rows).await?.pop())
}

/// The invitations that wait for the signed-in user's address.
pub async fn waiting(scope: &mut Scope<SignedInUser>) -> Result<Vec<Offer>> {
    let (email, now) = (scope.user().email.to_lowercase(), scope.now());
    let sql = offer!(
        "where i.email_key = $2 and i.status = 'pending' and i.expires_at > $3 order by i.id desc limit 20"
    );
    let rows = scope.query_unscoped(sql).bind(Vec::<u8>::new()).bind(email).bind(now).fetch_all().await?;
    offers(scope, rows).await
}

/// Takes the accounts that change, the parent first; looks again at the invitation, now that nobody else can answer it.
async fn hold<A>(change: &mut Change<A>, offer: &Offer) -> Result<(Option<(AccountId, Kind)>, bool)> {
    let parent: Option<(AccountId, Kind, bool)> = change
        .query_unscoped(
            "select p.id, p.kind, i.joins_parent from invitations i join accounts a on a.id = i.account_id
              join accounts p on p.id = a.parent_id where i.id = $1",
        )
        .bind(offer.id)
        .fetch_optional()
        .await?;
    for account in parent.iter().map(|it| it.0).chain([offer.account]) {
        change.lock_account(account).await?;
    }
    let now = change.now();
    let sql =
        "update invitations set status = 'accepted' where id = $1 and status = 'pending' and expires_at > $2";
    if change.query_unscoped(sql).bind(offer.id).bind(now).execute().await? == 0 {
        let detail = "This invitation was answered, taken back, or has expired. Ask for a new one.";
        return Err(Error::conflict("invitation_over", detail));
    }
    Ok((parent.map(|it| (it.0, it.1)), parent.is_some_and(|it| it.2)))
}

/// Joins as the signed-in user, whose address must be the invited one. Answers the account's slug.
pub async fn accept(change: &mut Change<SignedInUser>, offer: &Offer) -> Result<String> {
    let person = change.user().clone();
    if person.email.to_lowercase() != offer.email.to_lowercase() {
        let detail =
            format!("This invitation is for {}. You are signed in as {}.", offer.email, person.email);
        return Err(Error::conflict("other_address", detail));
    }
    join(change, offer, &person).await
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
    let made = users::create(change, &new).await?;
    let (person, _) = made.ok_or_else(|| {
        Error::conflict(
            "known_address",
            format!("{email} has a user already. Sign in, then accept the invitation."),
        )
    })?;
    let slug = join(change, offer, &person).await?;
    Ok((person, slug))
}

async fn join<A>(change: &mut Change<A>, offer: &Offer, user: &UserSummary) -> Result<String> {
    let (parent, joins_parent) = hold(change, offer).await?;
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

/// A team of an organization takes its members; an invitation that says so makes one of somebody from outside.
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

/// Says no. The invitation is over.
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
    Ok(found.map(|it| it.0))
}

/// Whether the signed-in user is a member of the offer's account already.
pub async fn is_member(scope: &mut Scope<SignedInUser>, offer: &Offer) -> Result<bool> {
    let sql = "select id from memberships where user_id = $1 and account_id = $2";
    Ok(scope.query_of_user(sql).bind(offer.account).fetch_optional::<(Uuid,)>().await?.is_some())
}
