//! Accounts: create, rename, delete.
mod delete;
pub mod operator_list;

pub use delete::{AccountDeletionImpact, delete, deletion_impact};

use super::{
    Change, Scope, SignedInUser, System,
    audit::{self, Chain, NewEvent},
    memberships, plans,
};
use crate::{
    error::{Error, FieldError, Result},
    model::{
        access::{Access, CurrentAccount},
        account::{AccountRef, Kind, LoginType},
        actor::{RecentAuth, UserSummary},
        id::{AccountId, UserId},
        text::{Name, Slug},
        time::Time,
    },
};
use const_format::concatcp;
use serde_json::{Value, json};

pub struct NewAccount<'a> {
    pub kind: Kind,
    pub name: &'a str,
    /// Derived from the name if `None`.
    pub slug: Option<&'a Slug>,
    pub parent: Option<AccountId>,
    pub plan: &'a str,
}

/// Creates an account with its one owner. `Validation` if the slug is taken.
pub async fn open<A>(change: &mut Change<A>, owner: &UserSummary, new: &NewAccount<'_>) -> Result<AccountId> {
    let (id, now) = (AccountId(change.context().id()), change.now());
    let slug = claim_slug(change, id, new).await?;
    change
        .query_unscoped(
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
    let event = NewEvent::on("account.created", "account", id, new.name).changed(Value::Null, after);
    audit::record_in(change, Chain::Account(id), event).await?;
    Ok(id)
}

async fn claim_slug<A>(change: &mut Change<A>, id: AccountId, new: &NewAccount<'_>) -> Result<Slug> {
    if let Some(slug) = new.slug {
        return if claim(change, slug, id).await? { Ok(slug.clone()) } else { Err(slug_taken(slug)) };
    }
    for suffix in [0_u8, 4, 4, 4, 10] {
        let bytes: [u8; 10] = change.context().random.bytes();
        let letters = bytes
            .iter()
            .take(usize::from(suffix))
            .map(|byte| char::from(b"abcdefghjkmnpqrstvwxyz23456789"[usize::from(byte % 30)]));
        let suffix: String = letters.collect();
        let slug = Slug::of(new.name, (!suffix.is_empty()).then_some(suffix.as_str()));
        if claim(change, &slug, id).await? {
            return Ok(slug);
        }
    }
    Err(Error::conflict("slug_taken", "No free address was found for this name. Choose another name."))
}

fn slug_taken(slug: &Slug) -> Error {
    let detail = format!(
        "“{}” is taken, or once was: old addresses stay with their account. Choose another.",
        slug.as_str()
    );
    Error::invalid("slug", "taken", detail)
}

async fn claim<A>(change: &mut Change<A>, slug: &Slug, id: AccountId) -> Result<bool> {
    let sql =
        "insert into slugs (slug, account_id) values ($1, $2) on conflict (slug) do nothing returning slug";
    let made: Option<(String,)> =
        change.query_unscoped(sql).bind(slug.as_str()).bind(id).fetch_optional().await?;
    Ok(made.is_some())
}

/// Creates an organization for the signed-in user, within the limit of the installation.
pub async fn open_organization(
    change: &mut Change<SignedInUser>,
    name: &Name,
    slug: Option<&Slug>,
) -> Result<String> {
    let person = change.user().clone();
    open_organization_for(change, &person, name, slug).await
}

/// Creates an organization for a user, within the limit of the installation.
pub async fn open_organization_for<A>(
    change: &mut Change<A>,
    person: &UserSummary,
    name: &Name,
    slug: Option<&Slug>,
) -> Result<String> {
    change.lock_user(person.id).await?;
    check_limit(change, person.id, "You own").await?;
    let plan = change.context().catalog.first_plan().id.clone();
    let new = NewAccount { kind: Kind::Organization, name: name.as_str(), slug, parent: None, plan: &plan };
    let id = open(change, person, &new).await?;
    remember(change, person.id, id).await?;
    slug_of(change, id).await
}

/// Checks that the user owns fewer organizations than the installation allows. The caller holds the user's row, so concurrent
/// requests are counted one by one.
pub(super) async fn check_limit<A>(change: &mut Change<A>, user: UserId, subject: &str) -> Result<()> {
    let most = change.context().config.max_organizations_per_user;
    let owned = memberships::organizations_owned(change, user).await?;
    if owned < i64::from(most) {
        return Ok(());
    }
    let noun = if most == 1 { "organization" } else { "organizations" };
    let detail = format!(
        "{subject} {owned} {noun} already, and {most} is the most here. Hand one over or delete it first."
    );
    Err(Error::conflict("organization_limit", detail))
}

/// Stores which account opens at the next sign-in.
pub(super) async fn remember<A>(change: &mut Change<A>, user: UserId, account: AccountId) -> Result<()> {
    change
        .query_unscoped("update users set last_account = $2 where id = $1")
        .bind(user)
        .bind(account)
        .execute()
        .await?;
    Ok(())
}

pub async fn slug_of<A>(scope: &mut Scope<A>, id: AccountId) -> Result<String> {
    let (slug,): (String,) =
        scope.query_unscoped("select slug from accounts where id = $1").bind(id).fetch_one().await?;
    Ok(slug)
}

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Account {
    pub id: AccountId,
    pub kind: Kind,
    pub slug: String,
    pub name: String,
    /// Its own plan, or its parent's.
    pub plan: String,
    pub member_count: i64,
    pub admins_may_delete: bool,
    /// Whether members must have signed in with a second factor.
    pub requires_second_factor: bool,
    pub created_at: Time,
    /// Also the version, for the `ETag`.
    pub updated_at: Time,
    parent_id: Option<AccountId>,
    parent_slug: Option<String>,
    parent_name: Option<String>,
    pub owner_id: UserId,
    pub owner_name: String,
    pub owner_email: String,
}

impl Account {
    pub fn parent(&self) -> Option<AccountRef> {
        let slug = self.parent_slug.clone()?;
        Some(AccountRef { id: self.parent_id?, slug, name: self.parent_name.clone().unwrap_or_default() })
    }
}

const COLUMNS: &str = "select a.id, a.kind, a.slug, a.name, coalesce(p.plan, a.plan) as plan, a.member_count, a.admins_may_delete,
                a.requires_second_factor, a.created_at,
                a.updated_at, p.id as parent_id, p.slug as parent_slug, p.name as parent_name, a.owner_id, u.name as owner_name,
                u.email as owner_email";
const TABLES: &str =
    " from accounts a left join accounts p on p.id = a.parent_id join users u on u.id = a.owner_id ";
const ACCOUNTS: &str = concatcp!(COLUMNS, TABLES);

/// The account as `Access` needs it.
pub(super) async fn current<A>(scope: &mut Scope<A>, id: AccountId) -> Result<CurrentAccount> {
    #[derive(sqlx::FromRow)]
    struct AccountRow {
        kind: Kind,
        slug: String,
        name: String,
        plan: String,
        admins_may_delete: bool,
        parent_id: Option<AccountId>,
        parent_kind: Option<Kind>,
        parent_slug: Option<String>,
        parent_name: Option<String>,
    }
    let sql = "select a.kind, a.slug, a.name, coalesce(p.plan, a.plan) as plan, a.admins_may_delete, p.id as parent_id,
            p.kind as parent_kind, p.slug as parent_slug, p.name as parent_name
        from accounts a left join accounts p on p.id = a.parent_id where a.id = $1";
    let row: Option<AccountRow> = scope.query_unscoped(sql).bind(id).fetch_optional().await?;
    let row = row.ok_or(Error::NotFound)?;
    let parent = row.parent_id.zip(row.parent_kind).map(|(id, kind)| {
        let (slug, name) = (row.parent_slug.unwrap_or_default(), row.parent_name.unwrap_or_default());
        (AccountRef { id, slug, name }, kind)
    });
    let AccountRow { kind, slug, name, plan, admins_may_delete, .. } = row;
    Ok(CurrentAccount { id, kind, slug, name, plan, parent, admins_may_delete })
}

/// The current account.
pub async fn get(scope: &mut Scope<Access>) -> Result<Account> {
    Ok(scope.query_in_account(concatcp!(ACCOUNTS, "where a.id = $1")).fetch_one().await?)
}

/// For operators.
pub async fn by_slug(scope: &mut Scope<System>, slug: &str) -> Result<Option<Account>> {
    Ok(scope
        .query_unscoped(concatcp!(ACCOUNTS, "where a.slug = $1"))
        .bind(slug.to_owned())
        .fetch_optional()
        .await?)
}

/// For operators.
pub async fn by_id(scope: &mut Scope<SignedInUser>, id: AccountId) -> Result<Option<Account>> {
    Ok(scope.query_unscoped(concatcp!(ACCOUNTS, "where a.id = $1")).bind(id).fetch_optional().await?)
}

/// All accounts, newest first, for the command line.
pub async fn list<A>(scope: &mut Scope<A>, before: Option<AccountId>, limit: i64) -> Result<Vec<Account>> {
    let before = before.unwrap_or(AccountId(uuid::Uuid::max()));
    Ok(scope
        .query_unscoped(concatcp!(ACCOUNTS, "where a.id < $1 order by a.id desc limit $2"))
        .bind(before)
        .bind(limit)
        .fetch_all()
        .await?)
}

/// `None` leaves a setting as it is.
#[derive(Default)]
pub struct AccountUpdate {
    pub name: Option<Name>,
    /// The old slug redirects to the new one.
    pub slug: Option<Slug>,
    pub admins_may_delete: Option<bool>,
}

/// Changes the account's settings. Only the owner decides whether admins may delete the account.
pub async fn update(change: &mut Change<Access>, update: AccountUpdate) -> Result<()> {
    let here = change.access().account.clone();
    let (mut before, mut after) = (serde_json::Map::new(), serde_json::Map::new());
    if let Some(name) = update.name.filter(|new| new.as_str() != here.name) {
        change
            .query_in_account("update accounts set name = $2 where id = $1")
            .bind(name.as_str())
            .execute()
            .await?;
        before.insert("name".into(), json!(here.name));
        after.insert("name".into(), json!(name.as_str()));
    }
    if let Some(slug) = update.slug.filter(|new| new.as_str() != here.slug) {
        let sql = "select slug from slugs where account_id = $1 and slug = $2";
        let existing: Option<(String,)> =
            change.query_in_account(sql).bind(slug.as_str()).fetch_optional().await?;
        if existing.is_none() && !claim(change, &slug, here.id).await? {
            return Err(slug_taken(&slug));
        }
        change
            .query_in_account("update accounts set slug = $2 where id = $1")
            .bind(slug.as_str())
            .execute()
            .await?;
        before.insert("slug".into(), json!(here.slug));
        after.insert("slug".into(), json!(slug.as_str()));
    }
    if let Some(policy) = update.admins_may_delete.filter(|policy| *policy != here.admins_may_delete) {
        if !change.access().is_owner {
            let detail = "Only the owner decides whether admins may delete.";
            return Err(Error::Validation(vec![FieldError::new("admins_may_delete", "owner_only", detail)]));
        }
        change
            .query_in_account("update accounts set admins_may_delete = $2 where id = $1")
            .bind(policy)
            .execute()
            .await?;
        before.insert("admins_may_delete".into(), json!(here.admins_may_delete));
        after.insert("admins_may_delete".into(), json!(policy));
    }
    if after.is_empty() {
        return Ok(());
    }
    let now = change.now();
    change.query_in_account("update accounts set updated_at = $2 where id = $1").bind(now).execute().await?;
    let event = NewEvent::on("account.updated", "account", here.id, &here.name);
    audit::record(change, event.changed(before.into(), after.into())).await
}

/// Requires a second factor of every member, in the organization and its teams, or stops to. Whoever turns this on must have
/// signed in with a second factor, or they would lock themselves out.
pub async fn require_second_factor(change: &mut Change<Access>, _: &RecentAuth, on: bool) -> Result<()> {
    let account = get(change).await?;
    if account.kind != Kind::Organization {
        let detail = "Only an organization can ask for a second factor; its teams follow it.";
        return Err(Error::invalid("requires_second_factor", "organizations_only", detail));
    }
    if account.requires_second_factor == on {
        return Ok(());
    }
    if let (true, Some(session)) = (on, change.actor().session())
        && !session.is_strong()
    {
        let detail = "You signed in without a second factor yourself. Set one up first, or sign in with it.";
        return Err(Error::conflict("second_factor_first", detail));
    }
    let now = change.now();
    let sql = "update accounts set requires_second_factor = $2, updated_at = $3 where id = $1";
    change.query_in_account(sql).bind(on).bind(now).execute().await?;
    let event = NewEvent::on("account.updated", "account", account.id, &account.name)
        .changed(json!({ "requires_second_factor": !on }), json!({ "requires_second_factor": on }));
    audit::record(change, event).await
}

/// How many members have no second factor and would be locked out if one were required; `MOST_COUNTED` means that there may be
/// more.
pub async fn without_second_factor(scope: &mut Scope<Access>) -> Result<i64> {
    let now = scope.now();
    let sql = "select count(*) from (
            select 1 from memberships m
            where m.account_id = $1 and active_member(m, $2) and m.login_type <> 'sso'
                and not exists (select 1 from authenticators a where a.user_id = m.user_id)
                and not exists (select 1 from passkeys p where p.user_id = m.user_id)
            limit $3
        ) some_of_them";
    let (count,): (i64,) = scope.query_in_account(sql).bind(now).bind(MOST_COUNTED).fetch_one().await?;
    Ok(count)
}

/// Up to how many are counted.
pub const MOST_COUNTED: i64 = 1001;

/// For the command line.
pub async fn set_plan(change: &mut Change<System>, account: &Account, plan: &str) -> Result<()> {
    write_plan(change, account, plan).await
}

/// For the operator in the console.
pub async fn operator_sets_plan(
    change: &mut Change<SignedInUser>,
    id: AccountId,
    plan: &str,
) -> Result<Account> {
    if !change.access().operator {
        return Err(Error::NotFound);
    }
    if change.context().catalog.plan(plan).is_none() {
        return Err(Error::invalid("plan", "unknown_plan", "Choose one of the plans."));
    }
    change.lock_account(id).await?;
    let found: Option<Account> =
        change.query_unscoped(concatcp!(ACCOUNTS, "where a.id = $1")).bind(id).fetch_optional().await?;
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

async fn write_plan<A>(change: &mut Change<A>, account: &Account, plan: &str) -> Result<()> {
    let now = change.now();
    plans::set(change, account.id, &account.name, (&account.plan, plan), now).await
}
