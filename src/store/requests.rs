//! Access requests: a member asks for a permission that they lack; who may change members grants or declines.
use super::{
    Change, Scope,
    audit::{self, Did},
    grants, members, roles, site, why,
};
use crate::{
    emails,
    error::{Error, Result},
    model::{
        grant::{Grant, Over, Weight},
        id::{MembershipId, RequestId, ResourceId, UserId},
        permission::Permission,
        resource::Located as _,
        time::Time,
    },
};
use serde_json::{Value, json};
use uuid::Uuid;
use why::{About, Subject};

/// A wish that waits for an answer.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its id.
    pub id: RequestId,
    /// Whose.
    pub membership: MembershipId,
    /// Their user.
    pub user_id: UserId,
    /// Their name.
    pub name: String,
    /// Their address.
    pub email: String,
    /// What they ask for.
    pub permission: Permission,
    /// For which resource: its id, name and product.
    pub resource: Option<(ResourceId, String, String)>,
    /// Why, in their words.
    pub note: String,
    /// Since when.
    pub created_at: Time,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: RequestId,
    membership: MembershipId,
    user_id: UserId,
    name: String,
    email: String,
    permission: String,
    resource_id: Option<ResourceId>,
    resource_name: Option<String>,
    product: Option<String>,
    note: String,
    created_at: Time,
}

impl Row {
    /// A permission that is no more is asked for by nobody.
    fn request(self) -> Option<Request> {
        let resource = self.resource_id.zip(self.resource_name).zip(self.product);
        Some(Request {
            id: self.id,
            membership: self.membership,
            user_id: self.user_id,
            name: self.name,
            email: self.email,
            permission: Permission::parse(&self.permission)?,
            resource: resource.map(|((id, name), product)| (id, name, product)),
            note: self.note,
            created_at: self.created_at,
        })
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select r.id, r.membership_id as membership, u.id as user_id, u.name, u.email, r.permission, r.resource_id,
                t.name as resource_name, t.product, r.note, r.created_at
             from access_requests r join memberships m on m.id = r.membership_id join users u on u.id = m.user_id
             left join resources t on t.id = r.resource_id
             where r.account_id = $1 and r.status = 'pending' ",
            $rest
        )
    };
}

/// Those that wait, oldest first.
pub async fn list(scope: &mut Scope, after: Option<RequestId>, limit: i64) -> Result<Vec<Request>> {
    let after = after.unwrap_or(RequestId(Uuid::nil()));
    let sql = select!("and r.id > $2 order by r.id limit $3");
    let rows: Vec<Row> = scope.ask(sql).bind(after).bind(limit).fetch_all().await?;
    Ok(rows.into_iter().filter_map(Row::request).collect())
}

/// One that waits.
pub async fn find(scope: &mut Scope, id: RequestId) -> Result<Request> {
    let row: Option<Row> = scope.ask(select!("and r.id = $2")).bind(id).fetch_optional().await?;
    row.and_then(Row::request).ok_or(Error::NotFound)
}

/// How many members, open invitations and waiting requests there are: what the tabs say. The last two stop at 1,001.
pub async fn counts(scope: &mut Scope) -> Result<(i64, i64, i64)> {
    let sql = "select a.member_count,
            (select count(*) from (select 1 as one from invitations where account_id = $1 and status = 'pending' limit 1001) i),
            (select count(*) from (select 1 as one from access_requests where account_id = $1 and status = 'pending' limit 1001) r)
        from accounts a where a.id = $1";
    Ok(scope.ask(sql).fetch_one().await?)
}

/// What somebody asks for.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Which permission.
    pub permission: Permission,
    /// For which resource.
    pub resource: Option<ResourceId>,
    /// Why.
    pub note: String,
}

/// As long as a reason may be.
pub const LONGEST: usize = 500;
/// So many wait of one member at most: nobody fills the list, or the mailboxes.
const MOST: i64 = 20;
/// So many are mailed.
const MAILED: i64 = 10;

/// Asks. Answers whether it is new: what waits already is not asked again.
pub async fn ask(change: &mut Change, wish: &Wish) -> Result<bool> {
    let who = change.who().clone();
    let membership = who.membership.ok_or_else(|| {
        Error::conflict("not_a_member", "You are here as an administrator of the organization: ask there.")
    })?;
    if wish.permission == Permission::TransferAccount {
        let detail = "Only the owner hands the account over. It cannot be given.";
        return Err(Error::invalid("permission", "owner_only", detail));
    }
    if wish.note.chars().count() > LONGEST {
        return Err(Error::invalid("note", "too_long", format!("Say it in at most {LONGEST} characters.")));
    }
    let about = match wish.resource.filter(|_| wish.permission.is_of_resources()) {
        Some(id) => Some(why::resource(change, id).await?),
        None => None,
    };
    let subject = Subject { person: who.person.clone(), entry: Some(who.clone()) };
    if subject.explain(wish.permission, about.as_ref()).allowed() {
        return Err(Error::conflict("already_allowed", "You may do this already."));
    }
    let waiting = "select count(*) from access_requests where account_id = $1 and membership_id = $2 and status = 'pending'";
    if change.ask(waiting).bind(membership).fetch_one::<(i64,)>().await?.0 >= MOST {
        let detail = "Enough of your requests wait for an answer. Ask for more when those are answered.";
        return Err(Error::conflict("too_many_requests_wait", detail));
    }
    let (id, now) = (RequestId(change.kit().id()), change.now());
    let sql = "insert into access_requests (account_id, id, membership_id, permission, resource_id, note, created_at)
        values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing";
    let made = change
        .ask(sql)
        .bind(id)
        .bind(membership)
        .bind(wish.permission.key())
        .bind(about.as_ref().map(|it| it.id))
        .bind(wish.note.clone())
        .bind(now)
        .execute()
        .await?;
    if made == 0 {
        return Ok(false);
    }
    let asked = json!({ "permission": wish.permission, "resource": about.as_ref().map(|it| &it.name), "note": wish.note });
    let did = Did::to("access.requested", "request", id, &who.person.email);
    audit::here(change, did.changed(Value::Null, asked)).await?;
    tell_leaders(change, wish, about.as_ref()).await?;
    Ok(true)
}

async fn tell_leaders(change: &mut Change, wish: &Wish, about: Option<&About>) -> Result<()> {
    let (kit, who) = (change.kit().clone(), change.who().clone());
    let link = kit.url(&format!("/a/{}/requests", who.here.slug));
    for leader in why::leaders(change, MAILED).await? {
        let asked = emails::Access {
            asker: emails::Person { name: &who.person.name, email: &who.person.email },
            account: &who.here.name,
            may: wish.permission.says(),
            permission: wish.permission.key(),
            resource: about.map(|it| it.name.as_str()),
            note: &wish.note,
            link: &link,
        };
        let letter = emails::access_requested(&site(&kit), &leader.email, &asked);
        change.post(&letter).await?;
    }
    Ok(())
}

/// The resource that a request is about.
pub async fn about(scope: &mut Scope, request: &Request) -> Result<Option<About>> {
    match &request.resource {
        Some((id, ..)) => Ok(Some(why::resource(scope, *id).await?)),
        None => Ok(None),
    }
}

/// What would do and the visitor may give, narrowest first.
pub async fn choices(scope: &mut Scope, request: &Request) -> Result<Vec<Grant>> {
    let about = about(scope, request).await?;
    let is_source = |it: &About| scope.kit().catalog.kind(&it.kind).is_some_and(|it| it.is_source);
    let is_source = about.as_ref().is_some_and(is_source);
    let on = about.as_ref().map(|it| it.place().listed());
    let offer = roles::offer(scope).await?;
    let all = offer.allowing(request.permission, on.as_ref(), is_source);
    Ok(all.into_iter().filter(|it| scope.who().rights.cover(it).is_ok()).collect())
}

/// What the visitor asks for themselves, if it waits.
pub async fn mine(scope: &mut Scope, wish: &Wish) -> Result<Option<Request>> {
    let Some(me) = scope.who().membership else { return Ok(None) };
    let on = wish.resource.filter(|_| wish.permission.is_of_resources()).map_or(Uuid::nil(), |it| it.0);
    let sql = select!(
        "and r.membership_id = $2 and r.permission = $3 and coalesce(r.resource_id, $4) = $4
         and (r.resource_id is null) = ($4 = $5)"
    );
    let query = scope.ask(sql).bind(me).bind(wish.permission.key()).bind(on).bind(Uuid::nil());
    let row: Option<Row> = query.fetch_optional().await?;
    Ok(row.and_then(Row::request))
}

/// Grants a request: the member gets this beside what they hold.
pub async fn grant(change: &mut Change, id: RequestId, grant: &Grant) -> Result<Request> {
    let request = find(change, id).await?;
    let on = about(change, &request).await?.map(|it| it.place().listed());
    if grant.weigh(request.permission, on.as_ref()) != Weight::Gives {
        let detail = format!("{} does not give {} there.", grant.title(), request.permission.key());
        return Err(Error::invalid("role", "gives_it_not", detail));
    }
    let member = members::find(change, request.membership).await?;
    members::may_change(change, &member)?;
    grants::check(change.who(), std::slice::from_ref(grant))?;
    members::add_grant(change, &member, grant).await?;
    answer(change, &request, "granted").await?;
    let did = Did::to("access.granted", "request", id, &request.email);
    let after = json!({ "permission": request.permission, "grants": [grant.label()], "expires_at": grant.expires_at });
    audit::here(change, did.changed(Value::Null, after)).await?;
    let (kit, who) = (change.kit().clone(), change.who().clone());
    let until = grant.expires_at.map(Time::in_words);
    let link = kit.url(&format!("/a/{}/overview", who.here.slug));
    let resource = request.resource.as_ref().filter(|_| matches!(grant.over, Over::Resources(_)));
    let given = emails::Given {
        by: emails::Person { name: &who.person.name, email: &who.person.email },
        account: &who.here.name,
        may: request.permission.says(),
        role: &grant.title(),
        resource: resource.map(|it| it.1.as_str()),
        until: until.as_deref(),
        link: &link,
    };
    let letter = emails::access_granted(&site(&kit), &request.email, &given);
    change.post(&letter).await?;
    Ok(request)
}

/// Declines a request.
pub async fn decline(change: &mut Change, id: RequestId) -> Result<Request> {
    let request = find(change, id).await?;
    if change.who().membership == Some(request.membership) {
        return Err(Error::conflict("self", "Nobody answers their own request."));
    }
    answer(change, &request, "declined").await?;
    let did = Did::to("access.declined", "request", id, &request.email);
    let after = json!({ "permission": request.permission });
    audit::here(change, did.changed(Value::Null, after)).await?;
    let (kit, who) = (change.kit().clone(), change.who().clone());
    let by = emails::Person { name: &who.person.name, email: &who.person.email };
    let may = request.permission.says();
    let letter = emails::access_declined(&site(&kit), &request.email, by, &who.here.name, may);
    change.post(&letter).await?;
    Ok(request)
}

async fn answer(change: &mut Change, request: &Request, status: &'static str) -> Result<()> {
    let (by, now) = (change.who().person.id, change.now());
    let sql = "update access_requests set status = $3, answered_by = $4, answered_at = $5
        where account_id = $1 and id = $2 and status = 'pending'";
    change.ask(sql).bind(request.id).bind(status).bind(by).bind(now).execute().await?;
    Ok(())
}
