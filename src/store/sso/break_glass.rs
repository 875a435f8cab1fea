//! Break-glass codes: the owner signs in with one, and their own factors, while the identity provider is down.
use super::super::{
    Change, Scope, SignedInUser,
    audit::{self, Chain, NewEvent},
    members, site,
};
use crate::{
    crypto::secrets::hash,
    emails,
    error::{Error, Result},
    model::{
        access::Access,
        actor::RecentAuth,
        id::{AccountId, UserId},
        time::{HOUR, Time},
    },
};
use serde_json::{Value, json};

/// How many of the account's leaders are mailed.
const MAX_NOTIFIED: i64 = 20;

const COUNT: usize = 8;
/// How long a code gives access.
pub const OPENS: std::time::Duration = HOUR;

/// Letters and digits that are hard to confuse.
const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz23456789z";

fn code(bytes: [u8; 16]) -> String {
    let all: Vec<String> = bytes
        .chunks(4)
        .map(|four| four.iter().map(|byte| LETTERS[usize::from(*byte) % 32] as char).collect())
        .collect();
    all.join("-")
}

fn normalize(typed: &str) -> String {
    typed.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
}

/// Makes new codes for the owner. The old ones stop working.
pub async fn make(change: &mut Change<Access>, _: &RecentAuth) -> Result<Vec<String>> {
    if !change.access().is_owner {
        return Err(Error::conflict("owner_only", "Only the owner has break-glass codes."));
    }
    let (context, now) = (change.context().clone(), change.now());
    let (account, owner) = (change.access().account.id, change.access().user_id());
    change.query_in_account("delete from break_glass_codes where account_id = $1").execute().await?;
    let mut codes = vec![];
    for _ in 0..COUNT {
        let code = code(context.random.bytes());
        let sql =
            "insert into break_glass_codes (account_id, hash, user_id, created_at) values ($1, $2, $3, $4)";
        change.query_in_account(sql).bind(hash(&normalize(&code))).bind(owner).bind(now).execute().await?;
        codes.push(code);
    }
    let name = change.access().account.name.clone();
    let event = NewEvent::on("sso.codes_made", "account", account, name)
        .changed(Value::Null, json!({ "count": COUNT }));
    audit::record(change, event).await?;
    Ok(codes)
}

/// The signed-in user's organization with this slug, if they own it.
pub async fn owned(scope: &mut Scope<SignedInUser>, slug: &str) -> Result<(AccountId, String)> {
    let sql = "select a.id, a.name from accounts a where a.owner_id = $1 and a.slug = $2 and a.kind = 'organization'";
    scope.query_of_user(sql).bind(slug.to_owned()).fetch_optional().await?.ok_or(Error::NotFound)
}

/// Uses a code, which works once, for the owner, who has just authenticated. Notifies the administrators.
pub async fn use_code(
    change: &mut Change<SignedInUser>,
    _: &RecentAuth,
    account: AccountId,
    typed: &str,
) -> Result<()> {
    let (user_id, now): (UserId, Time) = (change.user_id(), change.now());
    let sql = "update break_glass_codes set used_at = $4 where user_id = $1 and account_id = $2 and hash = $3 and used_at is null
        and exists (select 1 from accounts a where a.id = $2 and a.owner_id = $1)";
    if change.query_of_user(sql).bind(account).bind(hash(&normalize(typed))).bind(now).execute().await? == 0 {
        return Err(Error::invalid("code", "wrong", "This code is not right, or was used already."));
    }
    let (name,): (String,) =
        change.query_unscoped("select name from accounts where id = $1").bind(account).fetch_one().await?;
    let user = change.user().clone();
    let event = NewEvent::on("sso.code_used", "user", user_id, &user.email);
    audit::record_in(change, Chain::Account(account), event).await?;
    for leader in members::leaders(change, account, MAX_NOTIFIED).await? {
        let letter = emails::sso_code_used(&site(change.context()), &leader.email, &name, &user.name);
        change.send(&letter).await?;
    }
    Ok(())
}
