//! Access requests: a member asks for a permission that they lack, and somebody who may change members grants or declines
//! it.
use super::{
    Change, Scope,
    audit::{self, NewEvent},
    grants, members, roles, site, why,
};
use crate::{
    emails,
    error::{Error, Result},
    model::{
        access::Access,
        grant::{Grant, GrantMatch, GrantScope},
        id::{MembershipId, RequestId, ResourceId, UserId},
        permission::Permission,
        resource::HasTarget as _,
        time::Time,
    },
};
use const_format::concatcp;
use serde_json::{Value, json};
use uuid::Uuid;
use why::{Subject, TargetResource};

/// A pending request.
#[derive(Clone, Debug)]
pub struct AccessRequest {
    pub id: RequestId,
    pub membership: MembershipId,
    pub user_id: UserId,
    pub name: String,
    pub email: String,
    pub permission: Permission,
    /// The id, name and product of the resource that it is about.
    pub resource: Option<(ResourceId, String, String)>,
    pub note: String,
    pub created_at: Time,
}

#[derive(sqlx::FromRow)]
struct RequestRow {
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

impl RequestRow {
    /// `None` if the permission no longer exists.
    fn request(self) -> Option<AccessRequest> {
        let resource = self.resource_id.zip(self.resource_name).zip(self.product);
        Some(AccessRequest {
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

const REQUESTS: &str = "select r.id, r.membership_id as membership, u.id as user_id, u.name, u.email, r.permission, r.resource_id,
                t.name as resource_name, t.product, r.note, r.created_at
             from access_requests r join memberships m on m.id = r.membership_id join users u on u.id = m.user_id
             left join resources t on t.id = r.resource_id
             where r.account_id = $1 and r.status = 'pending' ";

/// Pending requests, oldest first.
pub async fn list(
    scope: &mut Scope<Access>,
    after: Option<RequestId>,
    limit: i64,
) -> Result<Vec<AccessRequest>> {
    let after = after.unwrap_or(RequestId(Uuid::nil()));
    let sql = concatcp!(REQUESTS, "and r.id > $2 order by r.id limit $3");
    let rows: Vec<RequestRow> = scope.query_in_account(sql).bind(after).bind(limit).fetch_all().await?;
    Ok(rows.into_iter().filter_map(RequestRow::request).collect())
}

/// A pending request.
pub async fn find(scope: &mut Scope<Access>, id: RequestId) -> Result<AccessRequest> {
    let row: Option<RequestRow> =
        scope.query_in_account(concatcp!(REQUESTS, "and r.id = $2")).bind(id).fetch_optional().await?;
    row.and_then(RequestRow::request).ok_or(Error::NotFound)
}

/// The number of members, open invitations and pending requests, for the tabs. The last two are counted up to 1,001.
pub async fn counts(scope: &mut Scope<Access>) -> Result<(i64, i64, i64)> {
    let sql = "select a.member_count,
            (select count(*) from (select 1 as one from invitations where account_id = $1 and status = 'pending' limit 1001) i),
            (select count(*) from (select 1 as one from access_requests where account_id = $1 and status = 'pending' limit 1001) r)
        from accounts a where a.id = $1";
    Ok(scope.query_in_account(sql).fetch_one().await?)
}

#[derive(Clone, Debug)]
pub struct AccessRequestInput {
    pub permission: Permission,
    pub resource: Option<ResourceId>,
    pub note: String,
}

/// The most characters of a note.
pub const LONGEST: usize = 500;
/// The most pending requests of one member.
const MOST: i64 = 20;
/// How many leaders are mailed.
const MAILED: i64 = 10;

/// Makes a request. False if the same request is pending already.
pub async fn ask(change: &mut Change<Access>, input: &AccessRequestInput) -> Result<bool> {
    let access = change.access().clone();
    let membership = access.membership.ok_or_else(|| {
        Error::conflict("not_a_member", "You are here as an administrator of the organization: ask there.")
    })?;
    if input.permission == Permission::TransferAccount {
        let detail = "Only the owner hands the account over. It cannot be given.";
        return Err(Error::invalid("permission", "owner_only", detail));
    }
    if input.note.chars().count() > LONGEST {
        return Err(Error::invalid("note", "too_long", format!("Say it in at most {LONGEST} characters.")));
    }
    let resource = match input.resource.filter(|_| input.permission.is_of_resources()) {
        Some(id) => Some(why::resource(change, id).await?),
        None => None,
    };
    let subject = Subject::caller(change)?;
    if subject.explain(input.permission, resource.as_ref()).allowed() {
        return Err(Error::conflict("already_allowed", "You may do this already."));
    }
    let waiting = "select count(*) from access_requests where account_id = $1 and membership_id = $2 and status = 'pending'";
    if change.query_in_account(waiting).bind(membership).fetch_one::<(i64,)>().await?.0 >= MOST {
        let detail = "Enough of your requests wait for an answer. Ask for more when those are answered.";
        return Err(Error::conflict("too_many_requests_wait", detail));
    }
    let (id, now) = (RequestId(change.context().id()), change.now());
    let sql = "insert into access_requests (account_id, id, membership_id, permission, resource_id, note, created_at)
        values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing";
    let made = change
        .query_in_account(sql)
        .bind(id)
        .bind(membership)
        .bind(input.permission.key())
        .bind(resource.as_ref().map(|resource| resource.id))
        .bind(input.note.clone())
        .bind(now)
        .execute()
        .await?;
    if made == 0 {
        return Ok(false);
    }
    let asked = json!({ "permission": input.permission, "resource": resource.as_ref().map(|resource| &resource.name), "note": input.note });
    let event = NewEvent::on("access.requested", "request", id, &subject.person.email);
    audit::record(change, event.changed(Value::Null, asked)).await?;
    tell_leaders(change, input, resource.as_ref()).await?;
    Ok(true)
}

async fn tell_leaders(
    change: &mut Change<Access>,
    input: &AccessRequestInput,
    resource: Option<&TargetResource>,
) -> Result<()> {
    let (context, access) = (change.context().clone(), change.access().clone());
    let (name, email) = change.actor().sender();
    let link = context.url(&format!("/a/{}/requests", access.account.slug));
    for leader in members::leaders(change, access.account.id, MAILED).await? {
        let asked = emails::AccessRequest {
            asker: emails::Sender { name: &name, email: &email },
            account: &access.account.name,
            may: input.permission.description(),
            permission: input.permission.key(),
            resource: resource.map(|resource| resource.name.as_str()),
            note: &input.note,
            link: &link,
        };
        let letter = emails::access_requested(&site(&context), &leader.email, &asked);
        change.send(&letter).await?;
    }
    Ok(())
}

/// The resource that a request is about.
pub async fn resource_of(
    scope: &mut Scope<Access>,
    request: &AccessRequest,
) -> Result<Option<TargetResource>> {
    match &request.resource {
        Some((id, ..)) => Ok(Some(why::resource(scope, *id).await?)),
        None => Ok(None),
    }
}

/// The grants that would satisfy the request and that the caller may give, narrowest first.
pub async fn choices(scope: &mut Scope<Access>, request: &AccessRequest) -> Result<Vec<Grant>> {
    let resource = resource_of(scope, request).await?;
    let is_source = |resource: &TargetResource| {
        scope.context().catalog.kind(&resource.kind).is_some_and(|kind| kind.is_source)
    };
    let is_source = resource.as_ref().is_some_and(is_source);
    let on = resource.as_ref().map(|resource| resource.target().as_scoped());
    let offer = roles::offer(scope).await?;
    let all = offer.allowing(request.permission, on.as_ref(), is_source);
    Ok(all.into_iter().filter(|grant| scope.access().rights.cover(grant).is_ok()).collect())
}

/// The caller's own pending request for this.
pub async fn mine(scope: &mut Scope<Access>, input: &AccessRequestInput) -> Result<Option<AccessRequest>> {
    let Some(me) = scope.access().membership else { return Ok(None) };
    let on = input.resource.filter(|_| input.permission.is_of_resources()).map_or(Uuid::nil(), |id| id.0);
    let sql = concatcp!(
        REQUESTS,
        "and r.membership_id = $2 and r.permission = $3 and coalesce(r.resource_id, $4) = $4
         and (r.resource_id is null) = ($4 = $5)"
    );
    let query = scope.query_in_account(sql).bind(me).bind(input.permission.key()).bind(on).bind(Uuid::nil());
    let row: Option<RequestRow> = query.fetch_optional().await?;
    Ok(row.and_then(RequestRow::request))
}

/// Grants a request: the member gets this grant in addition to theirs.
pub async fn grant(change: &mut Change<Access>, id: RequestId, grant: &Grant) -> Result<AccessRequest> {
    let request = find(change, id).await?;
    let on = resource_of(change, &request).await?.map(|resource| resource.target().as_scoped());
    if grant.evaluate(request.permission, on.as_ref()) != GrantMatch::Allows {
        let detail = format!("{} does not give {} there.", grant.title(), request.permission.key());
        return Err(Error::invalid("role", "gives_it_not", detail));
    }
    let member = members::find(change, request.membership).await?;
    members::may_change(change, &member)?;
    grants::check(change.access(), std::slice::from_ref(grant))?;
    members::add_grant(change, &member, grant).await?;
    answer(change, &request, "granted").await?;
    let event = NewEvent::on("access.granted", "request", id, &request.email);
    let after = json!({ "permission": request.permission, "grants": [grant.label()], "expires_at": grant.expires_at });
    audit::record(change, event.changed(Value::Null, after)).await?;
    let (context, access) = (change.context().clone(), change.access().clone());
    let (name, email) = change.actor().sender();
    let until = grant.expires_at.map(Time::in_words);
    let link = context.url(&format!("/a/{}/overview", access.account.slug));
    let resource = request.resource.as_ref().filter(|_| matches!(grant.over, GrantScope::Resources(_)));
    let given = emails::AccessGrant {
        by: emails::Sender { name: &name, email: &email },
        account: &access.account.name,
        may: request.permission.description(),
        role: &grant.title(),
        resource: resource.map(|resource| resource.1.as_str()),
        until: until.as_deref(),
        link: &link,
    };
    let letter = emails::access_granted(&site(&context), &request.email, &given);
    change.send(&letter).await?;
    Ok(request)
}

/// Declines a request.
pub async fn decline(change: &mut Change<Access>, id: RequestId) -> Result<AccessRequest> {
    let request = find(change, id).await?;
    if change.access().membership == Some(request.membership) {
        return Err(Error::conflict("self", "Nobody answers their own request."));
    }
    answer(change, &request, "declined").await?;
    let event = NewEvent::on("access.declined", "request", id, &request.email);
    let after = json!({ "permission": request.permission });
    audit::record(change, event.changed(Value::Null, after)).await?;
    let (context, access) = (change.context().clone(), change.access().clone());
    let (name, email) = change.actor().sender();
    let by = emails::Sender { name: &name, email: &email };
    let may = request.permission.description();
    let letter = emails::access_declined(&site(&context), &request.email, by, &access.account.name, may);
    change.send(&letter).await?;
    Ok(request)
}

async fn answer(change: &mut Change<Access>, request: &AccessRequest, status: &'static str) -> Result<()> {
    let (by, now) = (change.access().user_id(), change.now());
    let sql = "update access_requests set status = $3, answered_by = $4, answered_at = $5
        where account_id = $1 and id = $2 and status = 'pending'";
    change.query_in_account(sql).bind(request.id).bind(status).bind(by).bind(now).execute().await?;
    Ok(())
}
