//! Accounts: opened, renamed, deleted.
use super::{
    Change, Host, Me, Scope, Who,
    audit::{self, Chain, Did},
    invoices, memberships, plans,
};
use crate::{
    emails,
    error::{Error, Fault, Result},
    model::{
        access::{By, Entry, Fresh, Person},
        account::{AccountRef, Kind, LoginType},
        id::{AccountId, UserId},
        text::{Name, Slug},
        time::Time,
    },
};
use serde_json::{Value, json};

/// An account that is to be.
pub struct New<'a> {
    /// What kind.
    pub kind: Kind,
    /// Its name.
    pub name: &'a str,
    /// Its slug; made of the name if none is wished for.
    pub slug: Option<&'a Slug>,
    /// The parent of a team.
    pub parent: Option<AccountId>,
    /// Its plan.
    pub plan: &'a str,
}

/// Opens an account with its one owner. `Invalid` where the wished slug is taken.
pub async fn open<W: Who>(change: &mut Change<W>, owner: &Person, new: &New<'_>) -> Result<AccountId> {
    let (id, now) = (AccountId(change.kit().id()), change.now());
    let slug = take_slug(change, id, new).await?;
    change
        .sql(
            "insert into accounts (id, kind, parent_id, slug, name, plan, owner_id, created_at, updated_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $8)",
        )
        .bind(id)
        .bind(new.kind)
        .bind(new.parent)
        .bind(slug.as_str())
        .bind(new.name)
        .bind(new.plan)
        .bind(owner.id)
        .bind(now)
        .execute()
        .await?;
    memberships::add(change, id, owner, true, LoginType::Any).await?;
    let after = json!({ "kind": new.kind, "slug": slug.as_str(), "plan": new.plan, "owner": owner.email });
    let did = Did::to("account.created", "account", id, new.name).changed(Value::Null, after);
    audit::write(change, Chain::Account(id), did).await?;
    Ok(id)
}

async fn take_slug<W: Who>(change: &mut Change<W>, id: AccountId, new: &New<'_>) -> Result<Slug> {
    if let Some(slug) = new.slug {
        return if claim(change, slug, id).await? { Ok(slug.clone()) } else { Err(taken(slug)) };
    }
    for mark in [0_u8, 4, 4, 4, 10] {
        let bytes: [u8; 10] = change.kit().chance.bytes();
        let letters = bytes
            .iter()
            .take(usize::from(mark))
            .map(|it| char::from(b"abcdefghjkmnpqrstvwxyz23456789"[usize::from(it % 30)]));
        let mark: String = letters.collect();
        let slug = Slug::of(new.name, (!mark.is_empty()).then_some(mark.as_str()));
        if claim(change, &slug, id).await? {
            return Ok(slug);
        }
    }
    Err(Error::conflict("slug_taken", "No free address was found for this name. Choose another name."))
}

fn taken(slug: &Slug) -> Error {
    let detail = format!(
        "“{}” is taken, or once was: old addresses stay with their account. Choose another.",
        slug.as_str()
    );
    Error::invalid("slug", "taken", detail)
}

async fn claim<W: Who>(change: &mut Change<W>, slug: &Slug, id: AccountId) -> Result<bool> {
    let sql =
        "insert into slugs (slug, account_id) values ($1, $2) on conflict (slug) do nothing returning slug";
    let made: Option<(String,)> = change.sql(sql).bind(slug.as_str()).bind(id).fetch_optional().await?;
    Ok(made.is_some())
}

/// Opens an organization for a signed-in user, within the limit of the installation.
pub async fn open_organization(change: &mut Change<Me>, name: &Name, slug: Option<&Slug>) -> Result<String> {
    let person = change.who().person.clone();
    open_organization_for(change, &person, name, slug).await
}

/// Opens an organization for a user, within the limit of the installation.
pub async fn open_organization_for<W: Who>(
    change: &mut Change<W>,
    person: &Person,
    name: &Name,
    slug: Option<&Slug>,
) -> Result<String> {
    change.lock_user(person.id).await?;
    check_limit(change, person.id, "You own").await?;
    let plan = change.kit().catalog.first_plan().id.clone();
    let new = New { kind: Kind::Organization, name: name.as_str(), slug, parent: None, plan: &plan };
    let id = open(change, person, &new).await?;
    remember(change, person.id, id).await?;
    slug_of(change, id).await
}

/// Nobody owns more organizations than the installation allows. The user's row is held: two at once are counted one by one.
pub(super) async fn check_limit<W: Who>(change: &mut Change<W>, user: UserId, who: &str) -> Result<()> {
    let most = change.kit().rules.max_organizations_per_user;
    let owned = memberships::organizations_owned(change, user).await?;
    if owned < i64::from(most) {
        return Ok(());
    }
    let noun = if most == 1 { "organization" } else { "organizations" };
    let detail = format!(
        "{who} {owned} {noun} already, and {most} is the most here. Hand one over or delete it first."
    );
    Err(Error::conflict("organization_limit", detail))
}

/// The account that is opened at the next sign-in.
pub(super) async fn remember<W: Who>(change: &mut Change<W>, user: UserId, account: AccountId) -> Result<()> {
    change.sql("update users set last_account = $2 where id = $1").bind(user).bind(account).execute().await?;
    Ok(())
}

/// The slug of an account.
pub async fn slug_of<W: Who>(scope: &mut Scope<W>, id: AccountId) -> Result<String> {
    let (slug,): (String,) = scope.sql("select slug from accounts where id = $1").bind(id).fetch_one().await?;
    Ok(slug)
}

/// An account as programs see it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// What kind.
    pub kind: Kind,
    /// Its slug.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// Its plan, or its parent's.
    pub plan: String,
    /// How many members it has.
    pub member_count: i64,
    /// Whether admins may delete it.
    pub admins_may_delete: bool,
    /// Whether members must have signed in with a second factor.
    pub requires_second_factor: bool,
    /// When it was opened.
    pub created_at: Time,
    /// When it last changed: its version.
    pub updated_at: Time,
    parent_id: Option<AccountId>,
    parent_slug: Option<String>,
    parent_name: Option<String>,
    /// Who owns it.
    pub owner_id: UserId,
    /// The owner's name.
    pub owner_name: String,
    /// The owner's address.
    pub owner_email: String,
}

impl Account {
    /// The parent of a team.
    pub fn parent(&self) -> Option<AccountRef> {
        let slug = self.parent_slug.clone()?;
        Some(AccountRef { id: self.parent_id?, slug, name: self.parent_name.clone().unwrap_or_default() })
    }
}

macro_rules! account {
    ($rest:literal) => {
        account!("", $rest, "")
    };
    ($more:literal, $rest:literal, $end:literal) => {
        concat!(
            "select a.id, a.kind, a.slug, a.name, coalesce(p.plan, a.plan) as plan, a.member_count, a.admins_may_delete,
                a.requires_second_factor, a.created_at,
                a.updated_at, p.id as parent_id, p.slug as parent_slug, p.name as parent_name, a.owner_id, u.name as owner_name,
                u.email as owner_email",
            $more,
            " from accounts a left join accounts p on p.id = a.parent_id join users u on u.id = a.owner_id ",
            $rest,
            $end
        )
    };
}

pub mod operator_list;

/// The account one is in.
pub async fn here(scope: &mut Scope) -> Result<Account> {
    Ok(scope.ask(account!("where a.id = $1")).fetch_one().await?)
}

/// Any account by its slug: for operators.
pub async fn by_slug(scope: &mut Scope<Host>, slug: &str) -> Result<Option<Account>> {
    Ok(scope.sql(account!("where a.slug = $1")).bind(slug.to_owned()).fetch_optional().await?)
}

/// Any account by its id: for operators.
pub async fn by_id(scope: &mut Scope<Me>, id: AccountId) -> Result<Option<Account>> {
    Ok(scope.sql(account!("where a.id = $1")).bind(id).fetch_optional().await?)
}

/// A page of all accounts, newest first: for the command line.
pub async fn list<W: Who>(
    scope: &mut Scope<W>,
    before: Option<AccountId>,
    limit: i64,
) -> Result<Vec<Account>> {
    let before = before.unwrap_or(AccountId(uuid::Uuid::max()));
    Ok(scope
        .sql(account!("where a.id < $1 order by a.id desc limit $2"))
        .bind(before)
        .bind(limit)
        .fetch_all()
        .await?)
}

/// What may be changed in the settings; what is none stays.
#[derive(Default)]
pub struct Update {
    /// A new name.
    pub name: Option<Name>,
    /// A new slug. The old one redirects from now on.
    pub slug: Option<Slug>,
    /// Whether admins may delete the account.
    pub admins_may_delete: Option<bool>,
}

/// Changes the account's settings. Only who may delete the account, and so the owner always, says who else may.
pub async fn update(change: &mut Change<Entry>, it: Update) -> Result<()> {
    let here = change.who().here.clone();
    let (mut before, mut after) = (serde_json::Map::new(), serde_json::Map::new());
    if let Some(name) = it.name.filter(|it| it.as_str() != here.name) {
        change.ask("update accounts set name = $2 where id = $1").bind(name.as_str()).execute().await?;
        before.insert("name".into(), json!(here.name));
        after.insert("name".into(), json!(name.as_str()));
    }
    if let Some(slug) = it.slug.filter(|it| it.as_str() != here.slug) {
        let sql = "select slug from slugs where account_id = $1 and slug = $2";
        let had: Option<(String,)> = change.ask(sql).bind(slug.as_str()).fetch_optional().await?;
        if had.is_none() && !claim(change, &slug, here.id).await? {
            return Err(taken(&slug));
        }
        change.ask("update accounts set slug = $2 where id = $1").bind(slug.as_str()).execute().await?;
        before.insert("slug".into(), json!(here.slug));
        after.insert("slug".into(), json!(slug.as_str()));
    }
    if let Some(policy) = it.admins_may_delete.filter(|it| *it != here.admins_may_delete) {
        if !change.who().is_owner {
            let detail = "Only the owner decides whether admins may delete.";
            return Err(Error::Invalid(vec![Fault::new("admins_may_delete", "owner_only", detail)]));
        }
        change.ask("update accounts set admins_may_delete = $2 where id = $1").bind(policy).execute().await?;
        before.insert("admins_may_delete".into(), json!(here.admins_may_delete));
        after.insert("admins_may_delete".into(), json!(policy));
    }
    if after.is_empty() {
        return Ok(());
    }
    let now = change.now();
    change.ask("update accounts set updated_at = $2 where id = $1").bind(now).execute().await?;
    let did = Did::to("account.updated", "account", here.id, &here.name);
    audit::here(change, did.changed(before.into(), after.into())).await
}

/// Asks every member for a second factor, in the organization and its teams, or stops to. Who switches it on has one: else
/// they would close the door on themselves.
pub async fn require_second_factor(change: &mut Change<Entry>, _: &Fresh, on: bool) -> Result<()> {
    let account = here(change).await?;
    if account.kind != Kind::Organization {
        let detail = "Only an organization can ask for a second factor; its teams follow it.";
        return Err(Error::invalid("requires_second_factor", "organizations_only", detail));
    }
    if account.requires_second_factor == on {
        return Ok(());
    }
    if let (true, By::Session(session)) = (on, &change.who().by)
        && !session.is_strong()
    {
        let detail = "You signed in without a second factor yourself. Set one up first, or sign in with it.";
        return Err(Error::conflict("second_factor_first", detail));
    }
    let now = change.now();
    let sql = "update accounts set requires_second_factor = $2, updated_at = $3 where id = $1";
    change.ask(sql).bind(on).bind(now).execute().await?;
    let did = Did::to("account.updated", "account", account.id, &account.name)
        .changed(json!({ "requires_second_factor": !on }), json!({ "requires_second_factor": on }));
    audit::here(change, did).await
}

/// How many members could not come in if a second factor were asked for, for they have none; `MOST_COUNTED` says that there
/// may be more.
pub async fn without_second_factor(scope: &mut Scope) -> Result<i64> {
    let now = scope.now();
    let sql = "select count(*) from (
            select 1 from memberships m
            where m.account_id = $1 and m.suspended_at is null and coalesce(m.expires_at, $2) >= $2 and m.login_type <> 'sso'
                and not exists (select 1 from authenticators a where a.user_id = m.user_id)
                and not exists (select 1 from passkeys p where p.user_id = m.user_id)
            limit $3
        ) some_of_them";
    let (count,): (i64,) = scope.ask(sql).bind(now).bind(MOST_COUNTED).fetch_one().await?;
    Ok(count)
}

/// Up to how many are counted.
pub const MOST_COUNTED: i64 = 1001;

/// Sets the plan of an account: the command line's way.
pub async fn set_plan(change: &mut Change<Host>, account: &Account, plan: &str) -> Result<()> {
    write_plan(change, account, plan).await
}

/// Sets the plan of an account: the operator's way in the console.
pub async fn operator_sets_plan(change: &mut Change<Me>, id: AccountId, plan: &str) -> Result<Account> {
    if !change.who().operator {
        return Err(Error::NotFound);
    }
    if change.kit().catalog.plan(plan).is_none() {
        return Err(Error::invalid("plan", "unknown_plan", "Choose one of the plans."));
    }
    change.sql("select 1 from accounts where id = $1 for no key update").bind(id).execute().await?;
    let found: Option<Account> = change.sql(account!("where a.id = $1")).bind(id).fetch_optional().await?;
    let account = found.ok_or(Error::NotFound)?;
    if let Some(parent) = account.parent() {
        let detail = format!("A team has the plan of who pays for it. Set the plan of {}.", parent.name);
        return Err(Error::conflict("parent_pays", detail));
    }
    if account.plan != plan {
        write_plan(change, &account, plan).await?;
    }
    Ok(account)
}

async fn write_plan<W: Who>(change: &mut Change<W>, account: &Account, plan: &str) -> Result<()> {
    let now = change.now();
    plans::set(change, account.id, &account.name, (&account.plan, plan), now).await
}

/// What goes when the account is deleted.
#[derive(Clone, Copy, Debug, Default, sqlx::FromRow)]
pub struct Goes {
    /// Memberships, its teams' among them.
    pub members: i64,
    /// Teams.
    pub teams: i64,
    /// Keys that work, its teams' among them.
    pub keys: i64,
    /// Resources, its teams' among them.
    pub resources: i64,
    /// Invitations that wait.
    pub invitations: i64,
}

/// Counts what goes when the account is deleted, now.
pub async fn goes(scope: &mut Scope) -> Result<Goes> {
    let now = scope.now();
    Ok(scope
        .ask(
            "select
                (select cast(coalesce(sum(member_count), 0) as bigint) from accounts where id = $1 or parent_id = $1) as members,
                (select count(*) from accounts where parent_id = $1) as teams,
                (select count(*) from api_keys k join accounts a on a.id = k.account_id
                    where (a.id = $1 or a.parent_id = $1) and k.revoked_at is null and coalesce(k.expires_at, $2) >= $2) as keys,
                (select count(*) from resources r join accounts a on a.id = r.account_id where a.id = $1 or a.parent_id = $1) as resources,
                (select count(*) from invitations i join accounts a on a.id = i.account_id
                    where (a.id = $1 or a.parent_id = $1) and i.status = 'pending' and i.expires_at > $2) as invitations",
        )
        .bind(now)
        .fetch_one()
        .await?)
}

/// Deletes the account and its teams for good. `typed` must be its slug. Slugs and the audit log stay.
pub async fn delete(change: &mut Change<Entry>, _: &Fresh, typed: &str) -> Result<()> {
    let here = change.who().here.clone();
    if typed.trim() != here.slug {
        return Err(Error::invalid("confirm", "mismatch", format!("Type {} to delete it.", here.slug)));
    }
    let goes = goes(change).await?;
    let told: Vec<(String,)> = change
        .ask("select distinct u.email from memberships m join users u on u.id = m.user_id join accounts a on a.id = m.account_id
              where a.id = $1 or a.parent_id = $1 order by 1 limit 10000")
        .fetch_all()
        .await?;
    let person = change.who().person.clone();
    let (kit, at) = (change.kit().clone(), change.now().in_words());
    let by = emails::Person { name: &person.name, email: &person.email };
    let deletion = emails::Deletion { account: &here.name, kind: here.kind.noun(), by, at: &at };
    for (email,) in told {
        let letter = emails::account_deleted(&super::site(&kit), &email, &deletion);
        change.post(&letter).await?;
    }
    // What is owed up to now is billed, for there is no account to bill later.
    if here.kind != Kind::Team {
        invoices::settle(change, here.id).await?;
    }
    let before =
        json!({ "slug": here.slug, "members": goes.members, "teams": goes.teams, "keys": goes.keys });
    for chain in [Chain::Account(here.id), Chain::Installation] {
        let did =
            Did::to("account.deleted", "account", here.id, &here.name).changed(before.clone(), Value::Null);
        audit::write(change, chain, did).await?;
    }
    // Grants before the roles that they name; teams before their parent.
    for sql in [
        "delete from grants where account_id in (select id from accounts where id = $1 or parent_id = $1)",
        "delete from accounts where parent_id = $1",
        "delete from accounts where id = $1",
    ] {
        change.ask(sql).execute().await?;
    }
    Ok(())
}
