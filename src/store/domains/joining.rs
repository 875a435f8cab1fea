//! Who has an address at a proven domain, and may join because of it.
use super::super::{
    Change, Me, Scope, Who, accounts,
    audit::{self, Chain, Did},
    grants::{self, Of},
    members, memberships, site, sso, users,
};
use crate::{
    emails,
    error::{Error, Result},
    model::{
        access::Person,
        account::LoginType,
        domain::Domain,
        grant::Grant,
        id::{AccountId, JoinId, UserId},
        time::Time,
    },
};
use serde_json::{Value, json};

/// What people at a proven domain may do: `invited`, `ask` or `join`.
pub async fn get(scope: &mut Scope) -> Result<String> {
    Ok(scope.ask("select joining from accounts where id = $1").fetch_one::<(String,)>().await?.0)
}

/// Says what people at a proven domain may do.
pub async fn set(change: &mut Change, joining: &str) -> Result<()> {
    if !["invited", "ask", "join"].contains(&joining) {
        return Err(Error::invalid("joining", "invalid", "Choose one of the three."));
    }
    change.ask("update accounts set joining = $2 where id = $1").bind(joining.to_owned()).execute().await?;
    let (account, name) = (change.who().here.id, change.who().here.name.clone());
    let did = Did::to("domain.joining_changed", "account", account, name)
        .changed(Value::Null, json!({ "joining": joining }));
    audit::here(change, did).await
}

/// Somebody who asks to join.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Asking {
    /// By which it is answered.
    pub id: JoinId,
    /// Their name.
    pub name: String,
    /// Their address.
    pub email: String,
    /// When.
    pub created_at: Time,
}

/// Those who do, oldest first.
pub async fn asking(scope: &mut Scope, after: Option<JoinId>, limit: i64) -> Result<Vec<Asking>> {
    let sql =
        "select j.id, u.name, u.email, j.created_at from join_requests j join users u on u.id = j.user_id
        where j.account_id = $1 and j.id > $2 order by j.id limit $3";
    let after = after.unwrap_or(JoinId(uuid::Uuid::nil()));
    Ok(scope.ask(sql).bind(after).bind(limit).fetch_all().await?)
}

/// An organization that one may ask, or join at once, because of one's address.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Open {
    /// Which.
    pub id: AccountId,
    /// Its slug.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// `ask` or `join`.
    pub joining: String,
    /// Whether one asked already.
    pub asked: bool,
}

/// Those whose proven domain the signed-in user's address is at.
pub async fn open(scope: &mut Scope<Me>) -> Result<Vec<Open>> {
    let Ok(domain) = Domain::parse(&scope.who().person.email.to_lowercase()) else { return Ok(vec![]) };
    let sql = "select a.id, a.slug, a.name, a.joining,
            exists (select 1 from join_requests j where j.account_id = a.id and j.user_id = $1) as asked
        from domains d join accounts a on a.id = d.account_id
        where d.domain = $2 and d.verified_at is not null and a.joining <> 'invited'
            and not exists (select 1 from memberships m where m.account_id = a.id and m.user_id = $1)";
    Ok(scope.ask(sql).bind(domain.as_str().to_owned()).fetch_all().await?)
}

/// Joins, or asks to. The slug, if joined.
pub async fn join(change: &mut Change<Me>, account: AccountId) -> Result<Option<String>> {
    change.sql("select 1 from accounts where id = $1 for no key update").bind(account).execute().await?;
    let open = open(change).await?.into_iter().find(|it| it.id == account).ok_or(Error::NotFound)?;
    let person = change.who().person.clone();
    if open.joining == "join" {
        enter(change, account, &person).await?;
        return Ok(Some(open.slug));
    }
    let (id, now) = (change.kit().id(), change.now());
    let sql = "insert into join_requests (user_id, id, account_id, created_at) values ($1, $2, $3, $4)
        on conflict (account_id, user_id) do nothing";
    if change.ask(sql).bind(id).bind(account).bind(now).execute().await? > 0 {
        let did = Did::to("join.requested", "user", person.id, &person.email);
        audit::write(change, Chain::Account(account), did).await?;
        for to in members::leader_addresses(change, account).await? {
            let path = format!("/a/{}/sso/domains", open.slug);
            let letter = emails::join_requested(
                &site(change.kit()),
                &to,
                &open.name,
                &person.name,
                &person.email,
                &path,
            );
            change.post(&letter).await?;
        }
    }
    Ok(None)
}

async fn enter<W: Who>(change: &mut Change<W>, account: AccountId, person: &Person) -> Result<()> {
    let connection = sso::of(change, account).await?;
    let given = sso::sign_in::starting(&connection.map(|it| it.default_grants).unwrap_or_default());
    let Some(member) = memberships::add(change, account, person, false, LoginType::Any).await? else {
        return Ok(());
    };
    grants::insert(change, account, Of::Membership(member), &given).await?;
    accounts::remember(change, person.id, account).await?;
    let labels: Vec<String> = given.iter().map(Grant::label).collect();
    let did = Did::to("member.joined", "member", member, &person.email);
    let did = did.changed(Value::Null, json!({ "grants": labels, "by": "domain" }));
    audit::write(change, Chain::Account(account), did).await
}

/// Answers somebody who asks to join.
pub async fn answer(change: &mut Change, id: JoinId, accept: bool) -> Result<String> {
    let sql = "delete from join_requests where account_id = $1 and id = $2 returning user_id";
    let asked: Option<(UserId,)> = change.ask(sql).bind(id).fetch_optional().await?;
    let (user,) = asked.ok_or(Error::NotFound)?;
    let it = users::get(change, user).await?.ok_or(Error::NotFound)?;
    let person = Person { id: it.id, name: it.name, email: it.email };
    let account = change.who().here.id;
    if accept {
        let connection = sso::here(change).await?;
        let given = sso::sign_in::starting(&connection.map(|it| it.default_grants).unwrap_or_default());
        grants::check(change.who(), &given)?;
        enter(change, account, &person).await?;
    } else {
        audit::here(change, Did::to("join.declined", "user", person.id, &person.email)).await?;
    }
    Ok(person.name)
}
