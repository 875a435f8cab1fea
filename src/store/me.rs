//! The signed-in user's own profile.
use super::{
    Change, Scope, SignedInUser,
    audit::{self, NewEvent},
    email_tokens::set_password,
    factors, invoices, memberships, sessions, users,
};
use crate::{
    emails::FactorChange,
    error::{Error, Result},
    model::{
        actor::{RecentAuth, UserSummary},
        id::AccountId,
        text::Name,
    },
};
use serde_json::json;

#[derive(sqlx::FromRow)]
pub struct Profile {
    pub name: String,
    pub email: String,
    pub has_password: bool,
    /// By its IANA name, if one was chosen.
    pub time_zone: Option<String>,
}

pub async fn profile(scope: &mut Scope<SignedInUser>) -> Result<Profile> {
    let sql = "select name, email, password is not null as has_password, time_zone from users where id = $1";
    Ok(scope.query_of_user(sql).fetch_one().await?)
}

/// The hash of the password.
pub async fn password(scope: &mut Scope<SignedInUser>) -> Result<Option<String>> {
    let (password,): (Option<String>,) =
        scope.query_of_user("select password from users where id = $1").fetch_one().await?;
    Ok(password)
}

/// Changes name and time zone.
pub async fn update(change: &mut Change<SignedInUser>, name: &Name, time_zone: Option<&str>) -> Result<()> {
    let old = change.user().clone();
    let sql = "update users set name = $2, time_zone = $3 where id = $1";
    change.query_of_user(sql).bind(name.as_str()).bind(time_zone).execute().await?;
    let person = UserSummary { name: name.as_str().to_owned(), ..old.clone() };
    if person.name == old.name {
        return Ok(());
    }
    memberships::rename(change, &person).await?;
    let chain = users::chain(change, person.id).await?;
    let event = NewEvent::on("user.renamed", "user", person.id, &person.email);
    audit::record_in(
        change,
        chain,
        event.changed(json!({ "name": old.name }), json!({ "name": person.name })),
    )
    .await
}

/// Changes the password and ends the other sessions.
pub async fn change_password(change: &mut Change<SignedInUser>, _: &RecentAuth, hashed: &str) -> Result<()> {
    let (person, keep) = (change.user().clone(), change.access().session.id);
    set_password(change, &person, hashed).await?;
    sessions::end_all(change, person.id, Some(keep)).await?;
    Ok(())
}

/// Removes the password. The user signs in with a passkey, Google or GitHub from now on.
pub async fn remove_password(change: &mut Change<SignedInUser>, _: &RecentAuth) -> Result<()> {
    let person = change.user().clone();
    change.lock_user(person.id).await?;
    let available = factors::available(change, person.id).await?;
    if available.passkeys == 0 && !available.is_linked() {
        let detail = "Your password is your only way in. Add a passkey, or link Google or GitHub, first.";
        return Err(Error::conflict("last_way_in", detail));
    }
    change.query_of_user("update users set password = null where id = $1").execute().await?;
    factors::notify(change, &person, FactorChange::PasswordRemoved, "user.password_removed").await
}

/// Deletes the signed-in user and their personal account. Refused while they own anything else or are the last operator.
/// `typed` must be their address.
pub async fn delete(change: &mut Change<SignedInUser>, _: &RecentAuth, typed: &str) -> Result<()> {
    let person = change.user().clone();
    if !typed.trim().eq_ignore_ascii_case(&person.email) {
        return Err(Error::invalid(
            "confirm",
            "mismatch",
            format!("Type {} to delete your user.", person.email),
        ));
    }
    change.lock_user(person.id).await?;
    let owned: Vec<(String,)> = change
        .query_of_user("select a.name from accounts a where a.owner_id = $1 and a.kind <> 'personal' order by a.name limit 5")
        .fetch_all()
        .await?;
    if !owned.is_empty() {
        let names: Vec<String> = owned.into_iter().map(|row| row.0).collect();
        let detail = format!("You own {}. Hand over or delete what you own first.", names.join(", "));
        return Err(Error::conflict("owns_accounts", detail));
    }
    let teams: Vec<(String,)> = change
        .query_of_user("select t.name from accounts t join accounts a on a.id = t.parent_id where a.owner_id = $1 limit 5")
        .fetch_all()
        .await?;
    if !teams.is_empty() {
        let names: Vec<String> = teams.into_iter().map(|row| row.0).collect();
        let detail =
            format!("Your personal account pays for {}. Delete these teams first.", names.join(", "));
        return Err(Error::conflict("pays_for_teams", detail));
    }
    // Locked, so that two operators who leave at once are counted one after the other.
    change.query_unscoped("select 1 from installation where id = 1 for no key update").execute().await?;
    let (others,): (i64,) =
        change.query_of_user("select count(*) from users where operator and id <> $1").fetch_one().await?;
    if change.access().operator && others == 0 {
        return Err(Error::conflict("last_operator", "You are the last operator. Make another one first."));
    }
    let mine: Vec<(AccountId, crate::model::id::MembershipId, bool)> = change
        .query_of_user(
            "select account_id, id, is_owner from memberships where user_id = $1 order by account_id",
        )
        .fetch_all()
        .await?;
    for (account, membership, is_owner) in mine {
        let chain = audit::Chain::Account(account);
        let action = if is_owner { "user.deleted" } else { "member.left" };
        audit::record_in(change, chain, NewEvent::on(action, "user", person.id, &person.email)).await?;
        if !is_owner {
            let now = change.now();
            memberships::remove(change, account, membership, None, now).await?;
        }
    }
    let sql = "select id from accounts where owner_id = $1 and kind = 'personal' for no key update";
    if let Some((personal,)) = change.query_of_user(sql).fetch_optional::<(AccountId,)>().await? {
        invoices::settle(change, personal).await?;
    }
    change.query_of_user("delete from accounts where owner_id = $1 and kind = 'personal'").execute().await?;
    change.query_of_user("delete from users where id = $1").execute().await?;
    change.invalidate(person.id.0);
    Ok(())
}
