//! What signed-in users see and change of themselves.
use super::{
    Change, Me, Scope,
    audit::{self, Did},
    email_tokens::set_password,
    factors, invoices, memberships, sessions, users,
};
use crate::{
    emails::FactorChange,
    error::{Error, Result},
    model::{
        access::{Fresh, Person},
        id::AccountId,
        text::Name,
    },
};
use serde_json::json;

/// What the profile shows.
#[derive(sqlx::FromRow)]
pub struct Profile {
    /// The name.
    pub name: String,
    /// The address.
    pub email: String,
    /// Whether there is a password.
    pub has_password: bool,
    /// The zone that was chosen.
    pub time_zone: Option<String>,
}

/// The signed-in user's profile.
pub async fn profile(scope: &mut Scope<Me>) -> Result<Profile> {
    let sql = "select name, email, password is not null as has_password, time_zone from users where id = $1";
    Ok(scope.ask(sql).fetch_one().await?)
}

/// The hash of the signed-in user's password.
pub async fn password(scope: &mut Scope<Me>) -> Result<Option<String>> {
    let (password,): (Option<String>,) = scope.ask("select password from users where id = $1").fetch_one().await?;
    Ok(password)
}

/// Changes name and time zone.
pub async fn update(change: &mut Change<Me>, name: &Name, time_zone: Option<&str>) -> Result<()> {
    let old = change.who().person.clone();
    let sql = "update users set name = $2, time_zone = $3 where id = $1";
    change.ask(sql).bind(name.as_str()).bind(time_zone).execute().await?;
    let person = Person { name: name.as_str().to_owned(), ..old.clone() };
    if person.name == old.name {
        return Ok(());
    }
    memberships::rename(change, &person).await?;
    let chain = users::chain(change, person.id).await?;
    let did = Did::to("user.renamed", "user", person.id, &person.email);
    audit::write(change, chain, did.changed(json!({ "name": old.name }), json!({ "name": person.name })))
        .await
}

/// Changes the password: the other sessions end.
pub async fn change_password(change: &mut Change<Me>, _: &Fresh, hashed: &str) -> Result<()> {
    let (person, keep) = (change.who().person.clone(), change.who().session.id);
    set_password(change, &person, hashed).await?;
    sessions::end_all(change, person.id, Some(keep)).await?;
    Ok(())
}

/// Removes the password: a passkey, Google or GitHub signs in from now on.
pub async fn remove_password(change: &mut Change<Me>, _: &Fresh) -> Result<()> {
    let person = change.who().person.clone();
    change.lock_user(person.id).await?;
    let ways = factors::ways(change, person.id).await?;
    if ways.passkeys == 0 && !ways.is_linked() {
        let detail = "Your password is your only way in. Add a passkey, or link Google or GitHub, first.";
        return Err(Error::conflict("last_way_in", detail));
    }
    change.ask("update users set password = null where id = $1").execute().await?;
    factors::tell(change, &person, FactorChange::PasswordRemoved, "user.password_removed").await
}

/// Deletes the signed-in user with their personal account. Refused while they own anything else, or run the installation
/// alone. `typed` must be their address.
pub async fn delete(change: &mut Change<Me>, _: &Fresh, typed: &str) -> Result<()> {
    let person = change.who().person.clone();
    if !typed.trim().eq_ignore_ascii_case(&person.email) {
        return Err(Error::invalid(
            "confirm",
            "mismatch",
            format!("Type {} to delete your user.", person.email),
        ));
    }
    change.lock_user(person.id).await?;
    let owned: Vec<(String,)> = change
        .ask("select a.name from accounts a where a.owner_id = $1 and a.kind <> 'personal' order by a.name limit 5")
        .fetch_all()
        .await?;
    if !owned.is_empty() {
        let names: Vec<String> = owned.into_iter().map(|it| it.0).collect();
        let detail = format!("You own {}. Hand over or delete what you own first.", names.join(", "));
        return Err(Error::conflict("owns_accounts", detail));
    }
    let teams: Vec<(String,)> = change
        .ask("select t.name from accounts t join accounts a on a.id = t.parent_id where a.owner_id = $1 limit 5")
        .fetch_all()
        .await?;
    if !teams.is_empty() {
        let names: Vec<String> = teams.into_iter().map(|it| it.0).collect();
        let detail =
            format!("Your personal account pays for {}. Delete these teams first.", names.join(", "));
        return Err(Error::conflict("pays_for_teams", detail));
    }
    // Held: two operators who leave at once are counted one after the other.
    change.sql("select 1 from installation where id = 1 for no key update").execute().await?;
    let (others,): (i64,) =
        change.ask("select count(*) from users where operator and id <> $1").fetch_one().await?;
    if change.who().operator && others == 0 {
        return Err(Error::conflict("last_operator", "You are the last operator. Make another one first."));
    }
    let mine: Vec<(AccountId, crate::model::id::MembershipId, bool)> = change
        .ask("select account_id, id, is_owner from memberships where user_id = $1 order by account_id")
        .fetch_all()
        .await?;
    for (account, membership, is_owner) in mine {
        let chain = audit::Chain::Account(account);
        let action = if is_owner { "user.deleted" } else { "member.left" };
        audit::write(change, chain, Did::to(action, "user", person.id, &person.email)).await?;
        if !is_owner {
            let now = change.now();
            memberships::remove(change, account, membership, None, now).await?;
        }
    }
    let sql = "select id from accounts where owner_id = $1 and kind = 'personal' for no key update";
    if let Some((personal,)) = change.ask(sql).fetch_optional::<(AccountId,)>().await? {
        invoices::settle(change, personal).await?;
    }
    change.ask("delete from accounts where owner_id = $1 and kind = 'personal'").execute().await?;
    change.ask("delete from users where id = $1").execute().await?;
    change.changed(person.id.0);
    Ok(())
}
