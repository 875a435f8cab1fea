//! Domains of organizations: claimed, proven by a record in the DNS, looked at again each day.
use super::{
    Change, Host, Me, Scope, Who, accounts,
    audit::{self, Chain, Did},
    grants::{self, Of},
    memberships, site, sso,
};
use crate::{
    error::{Error, Result},
    kit::secret::token,
    letters,
    model::{
        account::{Kind, LoginType},
        domain::{Domain, RECORD, VALUE},
        entry::{Fresh, Person},
        id::{AccountId, DomainId, JoinId, UserId},
        text::Email,
        time::{DAY, HOUR, Time},
    },
};
use serde_json::{Value, json};

/// The most that one organization claims.
const MOST: i64 = 50;
/// How long a record may be missing.
const GRACE: std::time::Duration = DAY.saturating_mul(7);

/// A domain.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Claimed {
    /// By which it is named in addresses.
    pub id: DomainId,
    /// Its name.
    pub domain: String,
    token: String,
    /// Since when it is proven.
    pub verified_at: Option<Time>,
    /// Whether the operator vouches for it.
    pub vouched: bool,
    /// When the DNS was last asked.
    pub checked_at: Option<Time>,
    /// Since when the record of a proven domain is missing.
    pub missing_since: Option<Time>,
    /// When it was claimed.
    pub created_at: Time,
}

impl Claimed {
    /// The name of the record.
    pub fn record(&self) -> String {
        format!("{RECORD}.{}", self.domain)
    }
    /// What the record must say.
    pub fn value(&self) -> String {
        format!("{VALUE}{}", self.token)
    }
}

/// Those of the organization that one is in.
pub async fn list(scope: &mut Scope) -> Result<Vec<Claimed>> {
    let account = scope.who().here.id;
    of(scope, account).await
}

/// Those of an organization.
pub async fn of<W: Who>(scope: &mut Scope<W>, account: AccountId) -> Result<Vec<Claimed>> {
    let sql = "select id, domain, token, verified_at, vouched, checked_at, missing_since, created_at
        from domains where account_id = $1 order by domain limit 50";
    Ok(scope.sql(sql).bind(account).all().await?)
}

/// Whether one of them is proven.
pub async fn has_verified<W: Who>(scope: &mut Scope<W>, account: AccountId) -> Result<bool> {
    let sql = "select id from domains where account_id = $1 and verified_at is not null limit 1";
    Ok(scope.sql(sql).bind(account).maybe::<(DomainId,)>().await?.is_some())
}

/// Whether an address is at one of them that is proven.
pub async fn is_of<W: Who>(scope: &mut Scope<W>, account: AccountId, email: &Email) -> Result<bool> {
    let Ok(domain) = Domain::parse(email.key()) else { return Ok(false) };
    let sql = "select id from domains where account_id = $1 and domain = $2 and verified_at is not null";
    Ok(scope.sql(sql).bind(account).bind(domain.as_str().to_owned()).maybe::<(DomainId,)>().await?.is_some())
}

/// An organization that a domain leads to at sign-in.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Way {
    /// Its slug.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// Whether everybody there must use its provider.
    pub enforced: bool,
}

/// The organization with a provider whose domain an address is at. Says nothing of whether the address has a user.
pub async fn way<W: Who>(scope: &mut Scope<W>, email: &Email) -> Result<Option<Way>> {
    let Ok(domain) = Domain::parse(email.key()) else { return Ok(None) };
    let now = scope.now();
    let sql = "select a.slug, a.name, (c.enforced_at is not null and coalesce(c.confirm_by, $2 + 1) > $2) as enforced
        from domains d join accounts a on a.id = d.account_id join sso_connections c on c.account_id = a.id
        where d.domain = $1 and d.verified_at is not null";
    Ok(scope.sql(sql).bind(domain.as_str().to_owned()).bind(now).maybe().await?)
}

/// Claims a domain for the organization that one is in: its record is told, nothing is proven yet.
pub async fn add(change: &mut Change, _: &Fresh, domain: &Domain) -> Result<DomainId> {
    if change.who().here.kind != Kind::Organization {
        return Err(Error::conflict("not_an_organization", "Domains belong to organizations."));
    }
    let (count,): (i64,) = change.ask("select count(*) from domains where account_id = $1").one().await?;
    if count >= MOST {
        return Err(Error::invalid(
            "domain",
            "too_many",
            format!("An organization has at most {MOST} domains."),
        ));
    }
    let account = change.who().here.id;
    let Some(id) = claim(change, account, domain).await? else {
        return Err(Error::invalid("domain", "known", format!("{domain} is listed already.")));
    };
    audit::here(change, Did::to("domain.added", "domain", id, domain)).await?;
    Ok(id)
}

async fn claim<W: Who>(
    change: &mut Change<W>,
    account: AccountId,
    domain: &Domain,
) -> Result<Option<DomainId>> {
    let (id, now) = (DomainId(change.kit().id()), change.now());
    let token = token(&change.kit().chance);
    let sql = "insert into domains (id, account_id, domain, token, created_at) values ($1, $2, $3, $4, $5)
        on conflict (account_id, domain) do nothing returning id";
    let asked = change.sql(sql).bind(id).bind(account).bind(domain.as_str().to_owned()).bind(token).bind(now);
    Ok(asked.maybe::<(DomainId,)>().await?.map(|it| it.0))
}

/// One of the organization that one is in.
pub async fn find(scope: &mut Scope, id: DomainId) -> Result<Claimed> {
    let sql = "select id, domain, token, verified_at, vouched, checked_at, missing_since, created_at
        from domains where account_id = $1 and id = $2";
    scope.ask(sql).bind(id).maybe().await?.ok_or(Error::NotFound)
}

/// Notes what the DNS said about a claim: whether its record is there.
pub async fn checked(change: &mut Change, id: DomainId, is_there: bool) -> Result<bool> {
    let it = find(change, id).await?;
    let now = change.now();
    let sql = "update domains set checked_at = $3 where account_id = $1 and id = $2";
    change.ask(sql).bind(id).bind(now).run().await?;
    if !is_there {
        return Ok(it.verified_at.is_some());
    }
    let account = change.who().here.id;
    prove(change, account, &it, false).await?;
    Ok(true)
}

async fn prove<W: Who>(
    change: &mut Change<W>,
    account: AccountId,
    it: &Claimed,
    vouched: bool,
) -> Result<()> {
    let now = change.now();
    // Two who prove one name at the same moment: the row of the one waits for the other.
    let sql = "update domains set verified_at = coalesce(verified_at, $3), missing_since = null, vouched = (vouched or $4),
            checked_at = $3
        where account_id = $1 and id = $2 and not exists (
            select 1 from domains d where d.domain = domains.domain and d.verified_at is not null and d.id <> domains.id)";
    if change.sql(sql).bind(account).bind(it.id).bind(now).bind(vouched).run().await? == 0 {
        let detail = format!(
            "{} belongs to another organization here. Ask its administrators, or the operator.",
            it.domain
        );
        return Err(Error::conflict("domain_taken", detail));
    }
    if it.verified_at.is_none() {
        let did = Did::to("domain.verified", "domain", it.id, &it.domain)
            .changed(Value::Null, json!({ "vouched": vouched }));
        audit::write(change, Chain::Account(account), did).await?;
    }
    Ok(())
}

/// The operator vouches for a domain, without the DNS.
pub async fn vouch(change: &mut Change<Host>, account: AccountId, domain: &Domain) -> Result<()> {
    change.sql("select 1 from accounts where id = $1 for no key update").bind(account).run().await?;
    claim(change, account, domain).await?;
    let all = of(change, account).await?;
    let it = all.iter().find(|it| it.domain == domain.as_str()).ok_or(Error::NotFound)?;
    prove(change, account, it, true).await
}

/// Takes a domain away. Where it was the last proven one, nobody need use SSO any more.
pub async fn remove(change: &mut Change, _: &Fresh, id: DomainId) -> Result<String> {
    let it = find(change, id).await?;
    change.ask("delete from domains where account_id = $1 and id = $2").bind(id).run().await?;
    audit::here(change, Did::to("domain.removed", "domain", id, &it.domain)).await?;
    let here = change.who().here.clone();
    if !has_verified(change, here.id).await? {
        sso::enforce::lift(change, here.id, &here.name, "its last verified domain was removed").await?;
    }
    Ok(it.domain)
}

/// A proven domain whose record is to be looked at again.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Due {
    /// Which.
    pub id: DomainId,
    account_id: AccountId,
    account_name: String,
    domain: String,
    token: String,
    missing_since: Option<Time>,
}

impl Due {
    /// The name of the record.
    pub fn record(&self) -> String {
        format!("{RECORD}.{}", self.domain)
    }
    /// What the record must say.
    pub fn value(&self) -> String {
        format!("{VALUE}{}", self.token)
    }
}

/// Takes those that were not looked at for a day, a few at a time: no other replica takes them within the hour.
pub async fn take_due(change: &mut Change<Host>) -> Result<Vec<Due>> {
    let now = change.now();
    let sql = "select d.id, d.account_id, a.name as account_name, d.domain, d.token, d.missing_since
        from domains d join accounts a on a.id = d.account_id
        where d.verified_at is not null and not d.vouched and d.checked_at <= $1 order by d.checked_at limit 20";
    let due: Vec<Due> = change.sql(sql).bind(now.minus(DAY)).all().await?;
    for it in &due {
        let sql = "update domains set checked_at = $2 where id = $1";
        change.sql(sql).bind(it.id).bind(now.minus(DAY).plus(HOUR)).run().await?;
    }
    Ok(due)
}

/// Notes what the DNS said of one that was taken. Seven days without its record, a domain is proven no more.
pub async fn looked_at(change: &mut Change<Host>, due: &Due, is_there: bool) -> Result<()> {
    let now = change.now();
    let missing = if is_there { None } else { Some(due.missing_since.unwrap_or(now)) };
    let is_over = missing.is_some_and(|it| now.since(it) >= GRACE);
    let sql = "update domains set checked_at = $2, missing_since = $3, verified_at = case when $4 then null else verified_at end
        where id = $1 and verified_at is not null";
    if change.sql(sql).bind(due.id).bind(now).bind(missing).bind(is_over).run().await? == 0 {
        return Ok(());
    }
    if is_over {
        let did = Did::to("domain.unverified", "domain", due.id, &due.domain);
        audit::write(change, Chain::Account(due.account_id), did).await?;
        let why = format!("the DNS record of {} was missing for seven days", due.domain);
        sso::enforce::lift(change, due.account_id, &due.account_name, &why).await?;
    }
    Ok(())
}

/// What people at a proven domain may do.
pub async fn set_joining(change: &mut Change, joining: &str) -> Result<()> {
    if !["invited", "ask", "join"].contains(&joining) {
        return Err(Error::invalid("joining", "invalid", "Choose one of the three."));
    }
    change.ask("update accounts set joining = $2 where id = $1").bind(joining.to_owned()).run().await?;
    let (account, name) = (change.who().here.id, change.who().here.name.clone());
    let did = Did::to("domain.joining_changed", "account", account, name)
        .changed(Value::Null, json!({ "joining": joining }));
    audit::here(change, did).await
}

/// What the page of domains shows, but for people.
#[derive(Clone, Debug)]
pub struct Overview {
    /// The domains.
    pub domains: Vec<Claimed>,
    /// How it stands with the organization.
    pub state: State,
}

/// How it stands with an organization's enforcement.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct State {
    /// What people at proven domains may do.
    pub joining: String,
    /// Whether there is a provider.
    pub is_connected: bool,
    /// Since when it must be used.
    pub enforced_at: Option<Time>,
    /// Until when an administrator must have come through it.
    pub confirm_by: Option<Time>,
    /// Break-glass codes that are left.
    pub codes_left: i64,
    /// Members at proven domains.
    pub people: i64,
    /// Those of them who never came through the provider.
    pub locked_out: i64,
}

impl State {
    /// Whether the provider must be used now.
    pub fn is_enforced(&self, now: Time) -> bool {
        self.enforced_at.is_some() && self.confirm_by.is_none_or(|it| it > now)
    }
}

#[derive(sqlx::FromRow)]
struct Seen {
    #[sqlx(flatten)]
    state: State,
    #[sqlx(flatten)]
    domain: Maybe,
}

#[derive(sqlx::FromRow)]
struct Maybe {
    id: Option<DomainId>,
    domain: Option<String>,
    token: Option<String>,
    verified_at: Option<Time>,
    vouched: Option<bool>,
    checked_at: Option<Time>,
    missing_since: Option<Time>,
    created_at: Option<Time>,
}

impl Maybe {
    fn claimed(self) -> Option<Claimed> {
        Some(Claimed {
            id: self.id?,
            domain: self.domain?,
            token: self.token?,
            verified_at: self.verified_at,
            vouched: self.vouched?,
            checked_at: self.checked_at,
            missing_since: self.missing_since,
            created_at: self.created_at?,
        })
    }
}

/// The organization that one is in, a row for each of its domains, or one: one statement.
pub async fn overview(scope: &mut Scope) -> Result<Overview> {
    let rows: Vec<Seen> = scope
        .ask(
            "select a.joining, c.account_id is not null as is_connected, c.enforced_at, c.confirm_by,
                (select count(*) from break_glass_codes b where b.account_id = $1 and b.used_at is null) as codes_left,
                (select count(*) from memberships m join users u on u.id = m.user_id
                    where m.account_id = $1 and m.suspended_at is null and exists (select 1 from domains x
                        where x.account_id = $1 and x.verified_at is not null and u.email_key like '%@' || x.domain)) as people,
                (select count(*) from memberships m join users u on u.id = m.user_id
                    where m.account_id = $1 and m.suspended_at is null and exists (select 1 from domains x
                        where x.account_id = $1 and x.verified_at is not null and u.email_key like '%@' || x.domain)
                    and not exists (select 1 from sso_identities i where i.account_id = $1 and i.user_id = m.user_id))
                    as locked_out,
                d.id, d.domain, d.token, d.verified_at, d.vouched, d.checked_at, d.missing_since, d.created_at
             from accounts a left join sso_connections c on c.account_id = a.id left join domains d on d.account_id = a.id
             where a.id = $1 order by d.domain limit 50",
        )
        .all()
        .await?;
    let state = rows.first().map(|it| it.state.clone()).ok_or(Error::NotFound)?;
    Ok(Overview { domains: rows.into_iter().filter_map(|it| it.domain.claimed()).collect(), state })
}

/// Somebody whom enforcement touches.
#[derive(Clone, Debug)]
pub struct Touched {
    /// Their name.
    pub name: String,
    /// Their address.
    pub email: String,
    /// When they last came through the provider; none: never, they would be locked out.
    pub used_at: Option<Time>,
    /// How they last signed in otherwise; none: not lately.
    pub method: Option<String>,
}

#[derive(sqlx::FromRow)]
struct Somebody {
    asks: Option<JoinId>,
    name: String,
    email: String,
    at: Option<Time>,
    method: Option<String>,
}

/// Who asks to join, and whom enforcement would touch: who never came through the provider, or last signed in otherwise. The
/// first hundred of each; one statement.
pub async fn people(scope: &mut Scope) -> Result<(Vec<Asking>, Vec<Touched>)> {
    let rows: Vec<Somebody> = scope
        .ask(
            "select asks, name, email, at, method from (
                select j.id as asks, u.name, u.email, j.created_at as at, cast(null as text) as method
                from join_requests j join users u on u.id = j.user_id where j.account_id = $1 order by j.id limit 100
             ) asking
             union all
             select asks, name, email, at, method from (
                select cast(null as uuid) as asks, it.name, it.email, it.at, it.method from (
                    select m.id, m.name_key, u.name, u.email,
                        (select max(i.used_at) from sso_identities i where i.account_id = $1 and i.user_id = m.user_id) as at,
                        (select s.method from sessions s where s.user_id = m.user_id and s.method <> 'sso'
                            order by s.created_at desc limit 1) as method,
                        (select max(s.created_at) from sessions s where s.user_id = m.user_id and s.method <> 'sso') as other_at
                    from memberships m join users u on u.id = m.user_id
                    where m.account_id = $1 and m.suspended_at is null and exists (select 1 from domains d
                        where d.account_id = $1 and d.verified_at is not null and u.email_key like '%@' || d.domain)
                ) it where it.at is null or it.other_at > it.at
                order by case when it.at is null then 0 else 1 end, it.name_key, it.id limit 100
             ) touched",
        )
        .all()
        .await?;
    let (mut asking, mut touched) = (vec![], vec![]);
    for Somebody { asks, name, email, at, method } in rows {
        match asks {
            Some(id) => asking.push(Asking { id, name, email, created_at: at.unwrap_or(Time(0)) }),
            None => touched.push(Touched { name, email, used_at: at, method }),
        }
    }
    Ok((asking, touched))
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
    Ok(scope.ask(sql).bind(domain.as_str().to_owned()).all().await?)
}

/// Joins, or asks to. The slug, if joined.
pub async fn join(change: &mut Change<Me>, account: AccountId) -> Result<Option<String>> {
    change.sql("select 1 from accounts where id = $1 for no key update").bind(account).run().await?;
    let open = open(change).await?.into_iter().find(|it| it.id == account).ok_or(Error::NotFound)?;
    let person = change.who().person.clone();
    if open.joining == "join" {
        enter(change, account, &person).await?;
        return Ok(Some(open.slug));
    }
    let (id, now) = (change.kit().id(), change.now());
    let sql = "insert into join_requests (user_id, id, account_id, created_at) values ($1, $2, $3, $4)
        on conflict (account_id, user_id) do nothing";
    if change.ask(sql).bind(id).bind(account).bind(now).run().await? > 0 {
        let did = Did::to("join.requested", "user", person.id, &person.email);
        audit::write(change, Chain::Account(account), did).await?;
        for to in super::members::leader_addresses(change, account).await? {
            let path = format!("/a/{}/sso/domains", open.slug);
            let letter = letters::join_requested(
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
    let given = sso::arrive::starting(&connection.map(|it| it.default_grants).unwrap_or_default());
    let Some(member) = memberships::add(change, account, person, false, LoginType::Any).await? else {
        return Ok(());
    };
    grants::insert(change, account, Of::Membership(member), &given).await?;
    accounts::remember(change, person.id, account).await?;
    let labels: Vec<String> = given.iter().map(crate::model::grant::Grant::label).collect();
    let did = Did::to("member.joined", "member", member, &person.email);
    let did = did.changed(Value::Null, json!({ "grants": labels, "by": "domain" }));
    audit::write(change, Chain::Account(account), did).await
}

/// Answers somebody who asks to join.
pub async fn answer(change: &mut Change, id: JoinId, accept: bool) -> Result<String> {
    let sql = "delete from join_requests where account_id = $1 and id = $2 returning user_id";
    let asked: Option<(UserId,)> = change.ask(sql).bind(id).maybe().await?;
    let (user,) = asked.ok_or(Error::NotFound)?;
    let it = super::users::get(change, user).await?.ok_or(Error::NotFound)?;
    let person = Person { id: it.id, name: it.name, email: it.email };
    let account = change.who().here.id;
    if accept {
        let connection = sso::here(change).await?;
        let given = sso::arrive::starting(&connection.map(|it| it.default_grants).unwrap_or_default());
        grants::check(change.who(), &given)?;
        enter(change, account, &person).await?;
    } else {
        audit::here(change, Did::to("join.declined", "user", person.id, &person.email)).await?;
    }
    Ok(person.name)
}
