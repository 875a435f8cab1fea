//! What a gateway's questions need to know of a key, a member and a resource: each in one statement, kept in memory above.
use super::{
    access::{EVERYDAY, NOT_PERSONAL},
    grants::Joined,
};
use crate::{
    db::Conn,
    error::Result,
    model::{
        account::Kind,
        brief::Brief,
        calendar::Month,
        grant::{Grant, Rights},
        id::{AccountId, KeyId, MembershipId, UserId},
        permission::Permissions,
        role::BuiltIn,
        time::Time,
        verdict::{Home, Known, Named, Seat, Spot, Term},
    },
};
use std::sync::Arc;

const KEY: &str = "select k.id, k.revoked_at, k.expires_at as key_expires_at, k.permissions as key_permissions, k.resources as key_resources,
        u.id as user_id, u.email, a.id as account_id, a.kind, a.slug, coalesce(p.plan, a.plan) as plan, a.admins_may_delete,
        p.id as parent_id, p.kind as parent_kind, m.id as membership_id, m.is_owner, m.suspended_at, m.expires_at,
        q.id as top_id, q.suspended_at as top_suspended_at, q.expires_at as top_expires_at,
        g.id as grant_id, g.role, g.scope, g.product, g.expires_at as grant_expires_at,
        r.id as role_id, r.name as role_name, r.permissions as role_permissions,
        case when g.scope = 'resources' then (
            select cast(json_agg(encode(uuid_send(t.id), 'hex') || ' ' || t.product) as text)
            from grant_resources x join resources t on t.id = x.resource_id where x.grant_id = g.id
        ) end as listed,
        (select max(b.month) from budgets b where b.account_id in (a.id, p.id) and b.is_hard
            and (b.used_whole > b.whole or (b.used_whole = b.whole and b.used_nanos >= b.nanos))
            and (b.kind = 'account' or b.subject_id in (a.id, k.user_id, k.id))) as spent_month
    from api_keys k join accounts a on a.id = k.account_id
    left join accounts p on p.id = a.parent_id
    left join users u on u.id = k.user_id
    left join memberships m on m.id = k.membership_id
    left join memberships q on q.account_id = p.id and q.user_id = k.user_id
    left join grants g on g.membership_id = m.id
    left join roles r on r.id = g.role_id
    where k.hash = $1 order by g.id";

#[derive(sqlx::FromRow)]
struct Row {
    id: KeyId,
    revoked_at: Option<Time>,
    key_expires_at: Option<Time>,
    key_permissions: Option<String>,
    key_resources: Option<String>,
    user_id: Option<UserId>,
    email: Option<String>,
    account_id: AccountId,
    kind: Kind,
    slug: String,
    plan: String,
    admins_may_delete: bool,
    parent_id: Option<AccountId>,
    parent_kind: Option<Kind>,
    membership_id: Option<MembershipId>,
    is_owner: Option<bool>,
    suspended_at: Option<Time>,
    expires_at: Option<Time>,
    top_id: Option<MembershipId>,
    top_suspended_at: Option<Time>,
    top_expires_at: Option<Time>,
    #[sqlx(flatten)]
    grant: Joined,
    spent_month: Option<Month>,
}

/// The key whose secret has this hash, whatever became of it.
pub async fn key(conn: &mut Conn, hash: &[u8]) -> Result<Option<Known>> {
    let rows: Vec<Row> = conn.query(KEY).bind(hash).fetch_all().await?;
    let Some(first) = rows.first() else { return Ok(None) };
    Ok(Some(Known {
        id: first.id,
        is_revoked: first.revoked_at.is_some(),
        expires_at: first.key_expires_at,
        spent_until: first.spent_month.map(|it| it.next().first().start()),
        seat: first.seat(rights(&rows, first)),
    }))
}

impl Row {
    fn seat(&self, rights: Rights) -> Seat {
        let term = |id: Option<MembershipId>, suspended: Option<Time>, end: Option<Time>| {
            id.map(
                |_| if suspended.is_some() { Term::Suspended } else { end.map_or(Term::Open, Term::Until) },
            )
        };
        let home = Home {
            id: self.account_id,
            slug: self.slug.clone(),
            kind: self.kind,
            plan: self.plan.clone(),
            payer: self.parent_id.unwrap_or(self.account_id),
            is_under_organization: self.parent_kind == Some(Kind::Organization),
        };
        Seat {
            home: Arc::new(home),
            user: self.user_id.zip(self.email.as_deref().map(Brief::from)),
            own: term(self.membership_id, self.suspended_at, self.expires_at),
            above: term(self.top_id, self.top_suspended_at, self.top_expires_at),
            rights: Arc::new(rights),
        }
    }
}

/// As at the console's own gate, but for grants whose time is over: they are left to who asks. Which grant it is does not
/// matter: who may do the same shares what is remembered of it.
fn rights(rows: &[Row], first: &Row) -> Rights {
    let mut grants: Vec<Grant> = if first.is_owner == Some(true) {
        vec![Grant::whole(BuiltIn::Owner, true)]
    } else {
        let all = rows.iter().filter_map(|it| it.grant.grant(it.admins_may_delete));
        all.map(|it| Grant { id: None, ..it }).collect()
    };
    if first.kind == Kind::Personal {
        for it in &mut grants {
            it.allows = it.allows.without(NOT_PERSONAL);
        }
    }
    Rights {
        grants,
        only: Some(first.key_permissions.as_deref().map_or(EVERYDAY, Permissions::from_json)),
        only_resources: first.key_resources.as_deref().map(|it| serde_json::from_str(it).unwrap_or_default()),
    }
}

/// Where a resource of the account is, by one of its names.
pub async fn spot(conn: &mut Conn, account: AccountId, named: &Named) -> Result<Option<Spot>> {
    let found = match named {
        Named::Nothing => None,
        Named::Id(id) => {
            let sql =
                "select id, product, visibility, created_by from resources where account_id = $1 and id = $2";
            conn.query(sql).bind(account).bind(*id).fetch_optional().await?
        }
        Named::External { product, kind, external_id } => {
            let sql = "select id, product, visibility, created_by from resources
                where account_id = $1 and product = $2 and kind = $3 and external_id = $4";
            let query = conn.query(sql).bind(account).bind(product).bind(kind);
            query.bind(external_id).fetch_optional().await?
        }
    };
    Ok(found)
}
