//! The owner's way in while the provider is away: codes that count once, and only beside the owner's own proof.
use super::super::{
    Change, Me, Scope,
    audit::{self, Chain, Did},
    members, site,
};
use crate::{
    crypto::secrets::hash,
    emails,
    error::{Error, Result},
    model::{
        access::Fresh,
        id::{AccountId, UserId},
        time::{HOUR, Time},
    },
};
use serde_json::{Value, json};

/// How many are made at a time.
const COUNT: usize = 8;
/// How long a code opens.
pub const OPENS: std::time::Duration = HOUR;

/// Letters and digits that are not taken for each other.
const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz23456789z";

fn code(bytes: [u8; 16]) -> String {
    let all: Vec<String> = bytes
        .chunks(4)
        .map(|four| four.iter().map(|it| LETTERS[usize::from(*it) % 32] as char).collect())
        .collect();
    all.join("-")
}

fn tidy(typed: &str) -> String {
    typed.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
}

/// Makes new codes for the owner; the ones before are worth nothing.
pub async fn make(change: &mut Change, _: &Fresh) -> Result<Vec<String>> {
    if !change.who().is_owner {
        return Err(Error::conflict("owner_only", "Only the owner has break-glass codes."));
    }
    let (kit, now) = (change.kit().clone(), change.now());
    let (account, owner) = (change.who().here.id, change.who().person.id);
    change.ask("delete from break_glass_codes where account_id = $1").execute().await?;
    let mut codes = vec![];
    for _ in 0..COUNT {
        let code = code(kit.chance.bytes());
        let sql =
            "insert into break_glass_codes (account_id, hash, user_id, created_at) values ($1, $2, $3, $4)";
        change.ask(sql).bind(hash(&tidy(&code))).bind(owner).bind(now).execute().await?;
        codes.push(code);
    }
    let name = change.who().here.name.clone();
    let did =
        Did::to("sso.codes_made", "account", account, name).changed(Value::Null, json!({ "count": COUNT }));
    audit::here(change, did).await?;
    Ok(codes)
}

/// The organization of that slug, if the signed-in user owns it.
pub async fn owned(scope: &mut Scope<Me>, slug: &str) -> Result<(AccountId, String)> {
    let sql = "select a.id, a.name from accounts a where a.owner_id = $1 and a.slug = $2 and a.kind = 'organization'";
    scope.ask(sql).bind(slug.to_owned()).fetch_optional().await?.ok_or(Error::NotFound)
}

/// Uses a code: once, by the owner whose it is, who has just proved to be themselves. Tells the administrators.
pub async fn spend(change: &mut Change<Me>, _: &Fresh, account: AccountId, typed: &str) -> Result<()> {
    let (me, now): (UserId, Time) = (change.who().person.id, change.now());
    let sql = "update break_glass_codes set used_at = $4 where user_id = $1 and account_id = $2 and hash = $3 and used_at is null
        and exists (select 1 from accounts a where a.id = $2 and a.owner_id = $1)";
    if change.ask(sql).bind(account).bind(hash(&tidy(typed))).bind(now).execute().await? == 0 {
        return Err(Error::invalid("code", "wrong", "This code is not right, or was used already."));
    }
    let (name,): (String,) =
        change.sql("select name from accounts where id = $1").bind(account).fetch_one().await?;
    let person = change.who().person.clone();
    let did = Did::to("sso.code_used", "user", me, &person.email);
    audit::write(change, Chain::Account(account), did).await?;
    for to in members::leader_addresses(change, account).await? {
        let letter = emails::sso_code_used(&site(change.kit()), &to, &name, &person.name);
        change.post(&letter).await?;
    }
    Ok(())
}
