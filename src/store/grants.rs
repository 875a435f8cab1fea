//! Grants of members and invitations: parsed from requests, written, and read.
use super::{Change, Scope, json};
use crate::{
    db::List,
    error::{Error, FieldError, Result},
    model::{
        access::Access,
        grant::{Grant, GrantLabel, GrantScope, Role, ScopedResource},
        id::{GrantId, InvitationId, MembershipId, ResourceId, RoleId},
        permission::Permissions,
        role::{BuiltIn, ScopeKind},
        time::Time,
    },
};
use const_format::concatcp;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// The columns of a grant, of its role, and of its resources (`listed`, a JSON list of `<id> <product>`).
pub(super) struct GrantRow {
    pub id: GrantId,
    pub role: Option<String>,
    pub role_id: Option<RoleId>,
    pub role_name: Option<String>,
    pub permissions: Option<String>,
    pub scope: String,
    pub product: Option<String>,
    pub listed: Option<String>,
    pub expires_at: Option<Time>,
}

impl GrantRow {
    /// `None` for a row that cannot be read: it grants nothing.
    pub fn grant(self, admins_may_delete: bool) -> Option<Grant> {
        let (role, allows) = match (self.role, self.role_id) {
            (Some(word), _) => {
                let role = BuiltIn::parse(&word)?;
                (Role::BuiltIn(role), role.permissions(admins_may_delete))
            }
            (_, Some(id)) => {
                let allows = Permissions::from_json(&self.permissions.unwrap_or_default());
                (Role::Custom(id, self.role_name.unwrap_or_default()), allows)
            }
            _ => return None,
        };
        let over = match self.scope.as_str() {
            "account" => GrantScope::Account,
            "product" => GrantScope::Product(self.product?),
            _ => GrantScope::Resources(parse_resources(self.listed.as_deref())),
        };
        Some(Grant { id: Some(self.id), role, over, allows, expires_at: self.expires_at })
    }
}

/// The grants of the membership `m` as one JSON text. `'' ||` makes text of a list inside an object: SQLite would nest it as
/// JSON, whatever it is cast to.
pub(super) const GRANTS_OF_MEMBER: &str =
    "(select cast(json_agg(json_build_object('id', encode(uuid_send(g.id), 'hex'), 'role', g.role,
                    'role_id', encode(uuid_send(g.role_id), 'hex'), 'role_name', r.name, 'permissions', r.permissions, 'scope', g.scope,
                    'product', g.product, 'expires_at', g.expires_at, 'listed', case when g.scope = 'resources' then '' || (
                        select cast(json_agg(encode(uuid_send(t.id), 'hex') || ' ' || t.product) as text)
                        from grant_resources x join resources t on t.id = x.resource_id where x.grant_id = g.id) end)) as text)
                from grants g left join roles r on r.id = g.role_id where g.membership_id = m.id)";

/// Parses what `GRANTS_OF_MEMBER` selects. The owner has no stored grants and gets the one of ownership. JSON that cannot be
/// parsed is an error: others could change a member who appears to have no roles.
pub(super) fn read_grants(
    grants: Option<String>,
    is_owner: bool,
    admins_may_delete: bool,
) -> Result<Vec<Grant>> {
    #[derive(Deserialize)]
    struct GrantJson {
        id: GrantId,
        role: Option<String>,
        role_id: Option<String>,
        role_name: Option<String>,
        permissions: Option<String>,
        scope: String,
        product: Option<String>,
        expires_at: Option<i64>,
        listed: Option<String>,
    }
    if is_owner {
        return Ok(vec![Grant::whole(BuiltIn::Owner, true)]);
    }
    let mut grants: Vec<GrantJson> = json::list(grants)?;
    grants.sort_by_key(|grant| grant.id);
    let to_row = |grant: GrantJson| GrantRow {
        id: grant.id,
        role: grant.role,
        role_id: grant.role_id.and_then(|id| id.parse::<RoleId>().ok()),
        role_name: grant.role_name,
        permissions: grant.permissions,
        scope: grant.scope,
        product: grant.product,
        listed: grant.listed,
        expires_at: grant.expires_at.map(Time),
    };
    Ok(grants.into_iter().filter_map(|grant| to_row(grant).grant(admins_may_delete)).collect())
}

/// The columns of a grant in a left join: all null where there is none.
#[derive(sqlx::FromRow)]
pub(super) struct GrantColumns {
    grant_id: Option<GrantId>,
    role: Option<String>,
    role_id: Option<RoleId>,
    role_name: Option<String>,
    role_permissions: Option<String>,
    scope: Option<String>,
    product: Option<String>,
    listed: Option<String>,
    grant_expires_at: Option<Time>,
}

impl GrantColumns {
    pub fn grant(&self, admins_may_delete: bool) -> Option<Grant> {
        let row = GrantRow {
            id: self.grant_id?,
            role: self.role.clone(),
            role_id: self.role_id,
            role_name: self.role_name.clone(),
            permissions: self.role_permissions.clone(),
            scope: self.scope.clone()?,
            product: self.product.clone(),
            listed: self.listed.clone(),
            expires_at: self.grant_expires_at,
        };
        row.grant(admins_may_delete)
    }
}

/// Parses `listed`: a JSON list of `<id in hex> <product>`, one for each resource.
fn parse_resources(json: Option<&str>) -> Vec<ScopedResource> {
    let entries: Vec<String> = json.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
    let parse = |entry: &String| {
        let (id, product) = entry.split_once(' ')?;
        let id = ResourceId(id.parse::<Uuid>().ok()?);
        Some(ScopedResource { id, product: product.to_owned() })
    };
    let mut resources: Vec<ScopedResource> = entries.iter().filter_map(parse).collect();
    // Sorted as in `find_listed`, so that grants over the same resources compare equal.
    resources.sort_by_key(|resource| resource.id);
    resources
}

/// A grant as a caller asks for it.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewGrant)]
pub struct GrantRequest {
    /// A built-in role's word, a custom role's id, or a label such as `video-developer`.
    #[schema(example = "developer")]
    pub role: String,
    /// Over what; the whole account if not said.
    #[serde(default)]
    pub scope: Option<GrantScopeRequest>,
    /// Until when.
    #[serde(default)]
    pub expires_at: Option<Time>,
}

/// The scope of a grant as a caller asks for it.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[schema(as = NewScope)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub enum GrantScopeRequest {
    /// The whole account.
    Account {},
    /// One product.
    Product {
        /// Its word in the catalogue.
        #[schema(example = "video")]
        product: String,
    },
    /// These resources.
    Resources {
        /// Their ids.
        #[schema(value_type = Vec<ResourceId>)]
        resources: Vec<Uuid>,
    },
}

/// The most grants that one member has.
pub(super) const MAX_GRANTS: usize = 50;

/// Checks requested grants against the account's roles, products and resources. Reports all errors, each under the grant's index.
pub async fn parse(scope: &mut Scope<Access>, requests: &[GrantRequest]) -> Result<Vec<Grant>> {
    if requests.is_empty() {
        return Err(Error::invalid("grants", "required", "Choose at least one role."));
    }
    if requests.len() > MAX_GRANTS {
        return Err(Error::invalid(
            "grants",
            "too_many",
            format!("A member has at most {MAX_GRANTS} roles."),
        ));
    }
    let (mut grants, mut faults): (Vec<Grant>, _) = (vec![], vec![]);
    for (index, request) in requests.iter().enumerate() {
        match parse_one(scope, request, index).await? {
            Ok(grant) if grants.iter().any(|other| other.role == grant.role && other.over == grant.over) => {}
            Ok(grant) => grants.push(grant),
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() { Ok(grants) } else { Err(Error::Validation(faults)) }
}

async fn parse_one(
    scope: &mut Scope<Access>,
    request: &GrantRequest,
    index: usize,
) -> Result<Result<Grant, FieldError>> {
    let fault = |field: &str, code, detail: String| {
        Ok(Err(FieldError::new(format!("grants/{index}/{field}"), code, detail)))
    };
    let products: Vec<String> =
        scope.context().catalog.products.iter().map(|product| product.id.clone()).collect();
    let (word, product_of_label) = split_label(&request.role, &products);
    let admins_may_delete = scope.access().account.admins_may_delete;
    let (role, allows, scope_kind) = match BuiltIn::parse(word) {
        Some(BuiltIn::Owner) => {
            return fault("role", "owner_is_not_granted", "Ownership is handed over, not granted.".into());
        }
        Some(role) => (Role::BuiltIn(role), role.permissions(admins_may_delete), role.scope_kind()),
        None => match find_custom(scope, word).await? {
            Some((role, allows)) => (role, allows, ScopeKind::Anything),
            None => {
                return fault(
                    "role",
                    "unknown_role",
                    format!("There is no role “{}” here.", brief(&request.role)),
                );
            }
        },
    };
    let over = match (&request.scope, product_of_label) {
        (None | Some(GrantScopeRequest::Account {}), None) => GrantScope::Account,
        (None, Some(product)) => GrantScope::Product(product.to_owned()),
        (Some(GrantScopeRequest::Product { product }), label)
            if label.is_none_or(|labelled| labelled == product) =>
        {
            if !products.contains(product) {
                let detail =
                    format!("There is no product “{}”. There are: {}.", brief(product), products.join(", "));
                return fault("scope/product", "unknown_product", detail);
            }
            GrantScope::Product(product.clone())
        }
        (Some(GrantScopeRequest::Resources { resources }), None) => {
            match find_listed(scope, resources).await? {
                Some(listed) => GrantScope::Resources(listed),
                None => {
                    let detail = "At least one of these resources is not in this account.".into();
                    return fault("scope/resources", "unknown_resource", detail);
                }
            }
        }
        _ => {
            return fault(
                "scope",
                "contradiction",
                format!("“{}” already says over which product.", brief(&request.role)),
            );
        }
    };
    let fits = match (&over, scope_kind) {
        (GrantScope::Resources(listed), ScopeKind::Resources | ScopeKind::Anything) => !listed.is_empty(),
        (GrantScope::Account, kind) => kind != ScopeKind::Resources,
        (GrantScope::Product(_), kind) => matches!(kind, ScopeKind::Products | ScopeKind::Anything),
        (GrantScope::Resources(_), _) => false,
    };
    if !fits {
        let detail = match scope_kind {
            ScopeKind::Account => "This role is held over the whole account.",
            ScopeKind::Products => "This role is held over the whole account or one product.",
            ScopeKind::Resources => "This role needs a list of at least one resource.",
            ScopeKind::Anything => "List at least one resource.",
        };
        return fault("scope", "scope_not_allowed", detail.into());
    }
    if request.expires_at.is_some_and(|end| end <= scope.now()) {
        return fault("expires_at", "in_the_past", "The end lies in the past.".into());
    }
    Ok(Ok(Grant { id: None, role, over, allows, expires_at: request.expires_at }))
}

fn brief(text: &str) -> String {
    crate::model::text::shorten(text, 40)
}

/// Splits `video-developer` into the role `developer` and the product `video`. Only roles that can be held over a product are
/// written this way: everything else is returned as it is.
fn split_label<'a>(role: &'a str, products: &[String]) -> (&'a str, Option<&'a str>) {
    match GrantLabel::parse(role) {
        Some(GrantLabel { role, product: Some(product) })
            if role.scope_kind() == ScopeKind::Products && products.iter().any(|known| known == product) =>
        {
            (role.as_str(), Some(product))
        }
        _ => (role, None),
    }
}

async fn find_custom(scope: &mut Scope<Access>, id: &str) -> Result<Option<(Role, Permissions)>> {
    let Ok(id) = id.parse::<RoleId>() else { return Ok(None) };
    let top = scope.access().account.top();
    let found: Option<(String, String)> = scope
        .query_unscoped("select name, permissions from roles where account_id = $1 and id = $2")
        .bind(top)
        .bind(id)
        .fetch_optional()
        .await?;
    Ok(found.map(|(name, allows)| (Role::Custom(id, name), Permissions::from_json(&allows))))
}

/// The resources with these ids; `None` unless all of them are in this account and visible to the caller.
pub(super) async fn find_listed(
    scope: &mut Scope<Access>,
    ids: &[Uuid],
) -> Result<Option<Vec<ScopedResource>>> {
    let mut ids = ids.to_vec();
    ids.sort();
    ids.dedup();
    if ids.len() > 1000 {
        return Ok(None);
    }
    let (me, sees_all) = (scope.access().user_id(), scope.access().is_administrator());
    let sql = "select id, product from resources where account_id = $1 and id = any($2::uuid[])
        and ($3 or visibility = 'shared' or created_by = $4) order by id";
    let found: Vec<(ResourceId, String)> =
        scope.query_in_account(sql).bind(List(&ids)).bind(sees_all).bind(me).fetch_all().await?;
    let is_complete = found.len() == ids.len();
    Ok(is_complete.then(|| found.into_iter().map(|(id, product)| ScopedResource { id, product }).collect()))
}

/// Fails with the missing permission if the caller does not hold all that these grants give, over the same scope.
pub fn check(access: &Access, grants: &[Grant]) -> Result<()> {
    access.rights.cover_all(grants).map_err(Error::MissingPermission)
}

/// Who has a grant.
#[derive(Clone, Copy)]
pub enum GrantHolder {
    Membership(MembershipId),
    /// The grants become the member's when the invitation is accepted.
    Invitation(InvitationId),
    /// A member who has the grant through a group of the identity provider.
    Group(MembershipId),
}

pub async fn insert<A>(
    change: &mut Change<A>,
    account: crate::model::id::AccountId,
    holder: GrantHolder,
    grants: &[Grant],
) -> Result<()> {
    let (membership, invitation) = match holder {
        GrantHolder::Membership(id) | GrantHolder::Group(id) => (Some(id), None),
        GrantHolder::Invitation(id) => (None, Some(id)),
    };
    let by = change.actor().id();
    for grant in grants {
        let id = change.context().id();
        let now = change.now();
        let (word, role_id) = match &grant.role {
            Role::BuiltIn(role) => (Some(role.as_str()), None),
            Role::Custom(id, _) => (None, Some(*id)),
        };
        let (scope, product) = match &grant.over {
            GrantScope::Account => ("account", None),
            GrantScope::Product(product) => ("product", Some(product.clone())),
            GrantScope::Resources(_) => ("resources", None),
        };
        change
            .query_unscoped(
                "insert into grants (id, account_id, membership_id, invitation_id, role, role_id, scope, product, expires_at,
                    granted_by, created_at, from_sso_group) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
            )
            .bind(id)
            .bind(account)
            .bind(membership)
            .bind(invitation)
            .bind(word)
            .bind(role_id)
            .bind(scope)
            .bind(product)
            .bind(grant.expires_at)
            .bind(by)
            .bind(now)
            .bind(matches!(holder, GrantHolder::Group(_)))
            .execute()
            .await?;
        if let GrantScope::Resources(resources) = &grant.over {
            for resource in resources {
                let sql = "insert into grant_resources (grant_id, resource_id) values ($1, $2)";
                change.query_unscoped(sql).bind(id).bind(resource.id).execute().await?;
            }
        }
    }
    Ok(())
}

#[derive(sqlx::FromRow)]
struct HeldGrantRow {
    of: Uuid,
    id: GrantId,
    role: Option<String>,
    role_id: Option<RoleId>,
    role_name: Option<String>,
    permissions: Option<String>,
    scope: String,
    product: Option<String>,
    expires_at: Option<Time>,
    listed: Option<String>,
}

const COLUMNS: &str =
    " as of, g.id, g.role, g.role_id, r.name as role_name, r.permissions, g.scope, g.product, g.expires_at,
                case when g.scope = 'resources' then (
                    select cast(json_agg(encode(uuid_send(t.id), 'hex') || ' ' || t.product) as text)
                    from grant_resources x join resources t on t.id = x.resource_id where x.grant_id = g.id
                ) end as listed
             from grants g left join roles r on r.id = g.role_id
             where ";
const REST: &str = " = any($1::uuid[]) order by g.id";
const OF_MEMBERSHIPS: &str = concatcp!("select g.membership_id", COLUMNS, "g.membership_id", REST);
const OF_INVITATIONS: &str = concatcp!("select g.invitation_id", COLUMNS, "g.invitation_id", REST);

/// The grants of these memberships or invitations, each with the holder's id. `kind` says which of the two: its own id is not
/// read.
pub(super) async fn of<A>(
    scope: &mut Scope<A>,
    kind: GrantHolder,
    ids: &[Uuid],
    admins_may_delete: bool,
) -> Result<Vec<(Uuid, Grant)>> {
    let sql = match kind {
        GrantHolder::Membership(_) | GrantHolder::Group(_) => OF_MEMBERSHIPS,
        GrantHolder::Invitation(_) => OF_INVITATIONS,
    };
    let rows: Vec<HeldGrantRow> = scope.query_unscoped(sql).bind(List(ids)).fetch_all().await?;
    let grant = |row: HeldGrantRow| {
        let HeldGrantRow {
            of,
            id,
            role,
            role_id,
            role_name,
            permissions,
            scope,
            product,
            expires_at,
            listed,
        } = row;
        let row = GrantRow { id, role, role_id, role_name, permissions, scope, product, listed, expires_at };
        row.grant(admins_may_delete).map(|grant| (of, grant))
    };
    Ok(rows.into_iter().filter_map(grant).collect())
}
