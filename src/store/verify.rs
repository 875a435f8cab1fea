//! What the verification of API keys reads: a key with its account and member, or a resource, in one statement each. `gateway`
//! caches it.
use super::{
    access::{EVERYDAY, NOT_PERSONAL},
    grants::GrantColumns,
};
use crate::{
    db::Conn,
    error::Result,
    model::{
        account::Kind,
        calendar::Month,
        grant::{Grant, Rights},
        id::{AccountId, KeyId, MembershipId, UserId},
        permission::Permissions,
        role::BuiltIn,
        time::Time,
        verdict::{CachedKey, KeyAccount, KeyMember, MembershipTerm, ResourceFacts, ResourceRef},
    },
};
use std::sync::Arc;

const KEY: &str = "select k.id, k.revoked_at, k.expires_at as key_expires_at, k.permissions as key_permissions, k.resources as key_resources,
        u.id as user_id, u.email, a.id as account_id, a.kind, a.slug, coalesce(p.plan, a.plan) as plan, a.admins_may_delete,
        p.id as parent_id, p.kind as parent_kind, m.id as membership_id, m.is_owner, m.suspended_at, m.expires_at,
        q.id as parent_membership_id, q.suspended_at as parent_suspended_at, q.expires_at as parent_expires_at,
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
struct KeyRow {
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
    parent_membership_id: Option<MembershipId>,
    parent_suspended_at: Option<Time>,
    parent_expires_at: Option<Time>,
    #[sqlx(flatten)]
    grant: GrantColumns,
    spent_month: Option<Month>,
}

/// The key with this hash, even if it is revoked or expired. One row for each grant of its member.
pub async fn key(conn: &mut Conn, hash: &[u8]) -> Result<Option<CachedKey>> {
    let rows: Vec<KeyRow> = conn.query(KEY).bind(hash).fetch_all().await?;
    let Some(first) = rows.first() else { return Ok(None) };
    Ok(Some(CachedKey {
        id: first.id,
        is_revoked: first.revoked_at.is_some(),
        expires_at: first.key_expires_at,
        spent_until: first.spent_month.map(|month| month.next().first().start()),
        member: first.member(rights(&rows, first)),
    }))
}

impl KeyRow {
    fn member(&self, rights: Rights) -> KeyMember {
        let term = |id: Option<MembershipId>, suspended_at: Option<Time>, end: Option<Time>| {
            id.map(|_| match (suspended_at, end) {
                (Some(_), _) => MembershipTerm::Suspended,
                (None, Some(end)) => MembershipTerm::Until(end),
                (None, None) => MembershipTerm::Open,
            })
        };
        let account = KeyAccount {
            id: self.account_id,
            slug: self.slug.clone(),
            kind: self.kind,
            plan: self.plan.clone(),
            payer: self.parent_id.unwrap_or(self.account_id),
            is_under_organization: self.parent_kind == Some(Kind::Organization),
        };
        KeyMember {
            account: Arc::new(account),
            user: self.user_id.zip(self.email.as_deref().map(Arc::from)),
            membership: term(self.membership_id, self.suspended_at, self.expires_at),
            parent_membership: term(
                self.parent_membership_id,
                self.parent_suspended_at,
                self.parent_expires_at,
            ),
            rights: Arc::new(rights),
        }
    }
}

/// As `access::find` has them, but with grants that are over: whoever asks judges by the time. The grants have no ids, so that keys
/// which may do the same have equal rights, and the cache holds them once.
fn rights(rows: &[KeyRow], first: &KeyRow) -> Rights {
    let mut grants: Vec<Grant> = if first.is_owner == Some(true) {
        vec![Grant::whole(BuiltIn::Owner, true)]
    } else {
        let grants = rows.iter().filter_map(|row| row.grant.grant(row.admins_may_delete));
        grants.map(|grant| Grant { id: None, ..grant }).collect()
    };
    if first.kind == Kind::Personal {
        for grant in &mut grants {
            grant.allows = grant.allows.without(NOT_PERSONAL);
        }
    }
    Rights {
        grants,
        only: Some(first.key_permissions.as_deref().map_or(EVERYDAY, Permissions::from_json)),
        only_resources: first
            .key_resources
            .as_deref()
            .map(|ids| serde_json::from_str(ids).unwrap_or_default()),
    }
}

/// A resource of the account.
pub async fn resource(
    conn: &mut Conn,
    account: AccountId,
    named: &ResourceRef,
) -> Result<Option<ResourceFacts>> {
    let found = match named {
        ResourceRef::Nothing => None,
        ResourceRef::Id(id) => {
            let sql =
                "select id, product, visibility, created_by from resources where account_id = $1 and id = $2";
            conn.query(sql).bind(account).bind(*id).fetch_optional().await?
        }
        ResourceRef::External { product, kind, external_id } => {
            let sql = "select id, product, visibility, created_by from resources
                where account_id = $1 and product = $2 and kind = $3 and external_id = $4";
            let query = conn.query(sql).bind(account).bind(product).bind(kind);
            query.bind(external_id).fetch_optional().await?
        }
    };
    Ok(found)
}
