//! The other side of an invitation: looked at, accepted, declined.
use super::super::{
    Change, Me, Scope, Visitor, Who, accounts,
    audit::{self, Chain, Did},
    grants::{self, Of},
    memberships, users,
};
use crate::{
    crypto::secrets::hash,
    error::{Error, Result},
    model::{
        access::Person,
        account::{Kind, LoginType},
        grant::Grant,
        id::{AccountId, InvitationId, UserId},
        role::BuiltIn,
        text::{Email, Name},
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

async fn offers<W: Who>(scope: &mut Scope<W>, rows: Vec<Row>) -> Result<Vec<Offer>> {
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
pub async fn find_by_token<W: Who>(scope: &mut Scope<W>, secret: &str) -> Result<Option<Offer>> {
    let sql = offer!("where i.token_hash = $1 or i.link_hash = $1");
    let rows = scope.sql(sql).bind(hash(secret)).fetch_all().await?;
    Ok(offers(scope, rows).await?.pop())
}

/// By id, for the invited address alone: what waits on the profile. Signed in as that address is proof.
pub async fn find_by_id(scope: &mut Scope<Me>, id: InvitationId) -> Result<Option<Offer>> {
    let email = scope.who().person.email.to_lowercase();
    let sql = offer!("where i.id = $2 and i.email_key = $3");
    let rows = scope.sql(sql).bind(Vec::<u8>::new()).bind(id).bind(email).fetch_all().await?;
    Ok(offers(scope, rows).await?.pop())
}

/// The invitations that wait for the signed-in user's address.
pub async fn waiting(scope: &mut Scope<Me>) -> Result<Vec<Offer>> {
    let (email, now) = (scope.who().person.email.to_lowercase(), scope.now());
    let sql = offer!(
        "where i.email_key = $2 and i.status = 'pending' and i.expires_at > $3 order by i.id desc limit 20"
    );
    let rows = scope.sql(sql).bind(Vec::<u8>::new()).bind(email).bind(now).fetch_all().await?;
    offers(scope, rows).await
}

/// Takes the accounts that change, the parent first; looks again at the invitation, now that nobody else can answer it.
async fn hold<W: Who>(change: &mut Change<W>, offer: &Offer) -> Result<(Option<(AccountId, Kind)>, bool)> {
    let parent: Option<(AccountId, Kind, bool)> = change
        .sql(
            "select p.id, p.kind, i.joins_parent from invitations i join accounts a on a.id = i.account_id
              join accounts p on p.id = a.parent_id where i.id = $1",
        )
        .bind(offer.id)
        .fetch_optional()
        .await?;
    for account in parent.iter().map(|it| it.0).chain([offer.account]) {
        change.sql("select 1 from accounts where id = $1 for no key update").bind(account).execute().await?;
    }
    let now = change.now();
    let sql =
        "update invitations set status = 'accepted' where id = $1 and status = 'pending' and expires_at > $2";
    if change.sql(sql).bind(offer.id).bind(now).execute().await? == 0 {
        let detail = "This invitation was answered, taken back, or has expired. Ask for a new one.";
        return Err(Error::conflict("invitation_over", detail));
    }
    change.renews_at(&offer.email);
    Ok((parent.map(|it| (it.0, it.1)), parent.is_some_and(|it| it.2)))
}

/// Joins as the signed-in user, whose address must be the invited one. Answers the account's slug.
pub async fn accept(change: &mut Change<Me>, offer: &Offer) -> Result<String> {
    let person = change.who().person.clone();
    if person.email.to_lowercase() != offer.email.to_lowercase() {
        let detail =
            format!("This invitation is for {}. You are signed in as {}.", offer.email, person.email);
        return Err(Error::conflict("other_address", detail));
    }
    join(change, offer, &person).await
}

/// Joins as a new user: the mailed link proves the address.
pub async fn accept_as_new(
    change: &mut Change<Visitor>,
    offer: &Offer,
    name: &Name,
    password: &str,
) -> Result<(Person, String)> {
    if offer.proof != Proof::Address {
        let detail =
            format!("This link does not prove an address. Sign up with {} first, then accept.", offer.email);
        return Err(Error::conflict("address_unproven", detail));
    }
    let email = Email::parse(&offer.email).map_err(Error::at("email"))?;
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

async fn join<W: Who>(change: &mut Change<W>, offer: &Offer, person: &Person) -> Result<String> {
    let (parent, joins_parent) = hold(change, offer).await?;
    if let Some((parent, Kind::Organization)) = parent {
        enter_parent(change, parent, joins_parent, offer, person).await?;
    }
    let made = memberships::add(change, offer.account, person, false, offer.login_type).await?;
    let Some(membership) = made else {
        let detail = format!("You are a member of {} already.", offer.account_name);
        return Err(Error::conflict("already_member", detail));
    };
    // What was promised is held from now on: the same rows.
    let sql = "update grants set membership_id = $2, invitation_id = null where invitation_id = $1";
    change.sql(sql).bind(offer.id).bind(membership).execute().await?;
    accounts::remember(change, person.id, offer.account).await?;
    let labels: Vec<String> = offer.grants.iter().map(Grant::label).collect();
    let did = Did::to("member.joined", "member", membership, &person.email);
    let did = did.changed(Value::Null, json!({ "grants": labels, "invitation": offer.id }));
    audit::write(change, Chain::Account(offer.account), did).await?;
    accounts::slug_of(change, offer.account).await
}

/// A team of an organization takes its members; an invitation that says so makes one of somebody from outside.
async fn enter_parent<W: Who>(
    change: &mut Change<W>,
    parent: AccountId,
    joins_parent: bool,
    offer: &Offer,
    person: &Person,
) -> Result<()> {
    let sql = "select id from memberships where account_id = $1 and user_id = $2";
    if change.sql(sql).bind(parent).bind(person.id).fetch_optional::<(Uuid,)>().await?.is_some() {
        return Ok(());
    }
    if !joins_parent {
        let detail = "This team takes members of its organization only, and you are not one any more.";
        return Err(Error::conflict("not_in_organization", detail));
    }
    if let Some(membership) = memberships::add(change, parent, person, false, offer.login_type).await? {
        grants::insert(change, parent, Of::Membership(membership), &[Grant::whole(BuiltIn::Member, true)])
            .await?;
        let did = Did::to("member.joined", "member", membership, &person.email);
        let did = did.changed(Value::Null, json!({ "grants": ["member"], "with_team": offer.account_name }));
        audit::write(change, Chain::Account(parent), did).await?;
    }
    Ok(())
}

/// Says no. The invitation is over.
pub async fn decline<W: Who>(change: &mut Change<W>, offer: &Offer) -> Result<()> {
    let now = change.now();
    let sql =
        "update invitations set status = 'declined' where id = $1 and status = 'pending' and expires_at > $2";
    if change.sql(sql).bind(offer.id).bind(now).execute().await? == 0 {
        let detail = "This invitation was answered, taken back, or has expired already.";
        return Err(Error::conflict("invitation_over", detail));
    }
    change.renews_at(&offer.email);
    change.sql("select 1 from accounts where id = $1 for no key update").bind(offer.account).execute().await?;
    let did = Did::to("invitation.declined", "invitation", offer.id, &offer.email);
    audit::write(change, Chain::Account(offer.account), did).await
}

/// The user of an address, if there is one: whether a link leads to sign-in or to a new user.
pub async fn has_user<W: Who>(scope: &mut Scope<W>, offer: &Offer) -> Result<Option<UserId>> {
    let sql = "select id from users where email_key = $1";
    let found: Option<(UserId,)> = scope.sql(sql).bind(offer.email.to_lowercase()).fetch_optional().await?;
    Ok(found.map(|it| it.0))
}

/// Whether the signed-in user is a member of the offer's account already.
pub async fn is_member(scope: &mut Scope<Me>, offer: &Offer) -> Result<bool> {
    let sql = "select id from memberships where user_id = $1 and account_id = $2";
    Ok(scope.ask(sql).bind(offer.account).fetch_optional::<(Uuid,)>().await?.is_some())
}
