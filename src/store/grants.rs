//! Grants: read, asked for, and written, for a member or for who is invited.
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
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// A grant as a row tells it.
pub(super) struct Listing {
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

impl Listing {
    /// What cannot be read grants nothing.
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
            _ => GrantScope::Resources(listed(self.listed.as_deref())),
        };
        Some(Grant { id: Some(self.id), role, over, allows, expires_at: self.expires_at })
    }
}

/// The grants of a membership as one JSON text. `'' ||` makes text of a list inside an object: SQLite would nest it as JSON,
/// whatever it is cast to.
macro_rules! grants_of {
    ($membership:literal) => {
        concat!(
            "(select cast(json_agg(json_build_object('id', encode(uuid_send(g.id), 'hex'), 'role', g.role,
                    'role_id', encode(uuid_send(g.role_id), 'hex'), 'role_name', r.name, 'permissions', r.permissions, 'scope', g.scope,
                    'product', g.product, 'expires_at', g.expires_at, 'listed', case when g.scope = 'resources' then '' || (
                        select cast(json_agg(encode(uuid_send(t.id), 'hex') || ' ' || t.product) as text)
                        from grant_resources x join resources t on t.id = x.resource_id where x.grant_id = g.id) end)) as text)
                from grants g left join roles r on r.id = g.role_id where g.membership_id = ",
            $membership,
            ")"
        )
    };
}
pub(super) use grants_of;

/// What `grants_of!` tells; of the owner, who has none, that they own. What cannot be read is an error: to take a member for
/// one without roles would let others change them.
pub(super) fn told(grants: Option<String>, is_owner: bool, admins_may_delete: bool) -> Result<Vec<Grant>> {
    #[derive(Deserialize)]
    struct Told {
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
    let mut rows: Vec<Told> = json::list(grants)?;
    rows.sort_by_key(|it| it.id);
    let listing = |it: Told| Listing {
        id: it.id,
        role: it.role,
        role_id: it.role_id.and_then(|it| it.parse::<RoleId>().ok()),
        role_name: it.role_name,
        permissions: it.permissions,
        scope: it.scope,
        product: it.product,
        listed: it.listed,
        expires_at: it.expires_at.map(Time),
    };
    Ok(rows.into_iter().filter_map(|it| listing(it).grant(admins_may_delete)).collect())
}

/// A grant, or none, beside what it is a grant of: the columns that join it.
#[derive(sqlx::FromRow)]
pub(super) struct Joined {
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

impl Joined {
    pub fn grant(&self, admins_may_delete: bool) -> Option<Grant> {
        let listing = Listing {
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
        listing.grant(admins_may_delete)
    }
}

/// A list of ids out of what `listed` holds: `hex product`, one for each resource.
fn listed(json: Option<&str>) -> Vec<ScopedResource> {
    let all: Vec<String> = json.and_then(|it| serde_json::from_str(it).ok()).unwrap_or_default();
    let parse = |it: &String| {
        let (id, product) = it.split_once(' ')?;
        let id = ResourceId(id.parse::<Uuid>().ok()?);
        Some(ScopedResource { id, product: product.to_owned() })
    };
    let mut found: Vec<ScopedResource> = all.iter().filter_map(parse).collect();
    // In the order in which a wish is read: the same list is the same grant.
    found.sort_by_key(|it| it.id);
    found
}

/// A grant as somebody asks for it.
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

/// Over what, as somebody asks for it.
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
pub(super) const MOST: usize = 50;

/// Reads what is asked for, against the account's roles, products and resources. Every fault is told, by its index.
pub async fn parse(scope: &mut Scope<Access>, wanted: &[GrantRequest]) -> Result<Vec<Grant>> {
    if wanted.is_empty() {
        return Err(Error::invalid("grants", "required", "Choose at least one role."));
    }
    if wanted.len() > MOST {
        return Err(Error::invalid("grants", "too_many", format!("A member has at most {MOST} roles.")));
    }
    let (mut grants, mut faults): (Vec<Grant>, _) = (vec![], vec![]);
    for (at, it) in wanted.iter().enumerate() {
        match parse_one(scope, it, at).await? {
            Ok(it) if grants.iter().any(|had| had.role == it.role && had.over == it.over) => {}
            Ok(it) => grants.push(it),
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() { Ok(grants) } else { Err(Error::Validation(faults)) }
}

async fn parse_one(
    scope: &mut Scope<Access>,
    wanted: &GrantRequest,
    at: usize,
) -> Result<Result<Grant, FieldError>> {
    let fault = |field: &str, code, detail: String| {
        Ok(Err(FieldError::new(format!("grants/{at}/{field}"), code, detail)))
    };
    let products: Vec<String> = scope.context().catalog.products.iter().map(|it| it.id.clone()).collect();
    let (word, product_of_label) = split_label(&wanted.role, &products);
    let admins_may_delete = scope.access().account.admins_may_delete;
    let (role, allows, reaches) = match BuiltIn::parse(word) {
        Some(BuiltIn::Owner) => {
            return fault("role", "owner_is_not_granted", "Ownership is handed over, not granted.".into());
        }
        Some(it) => (Role::BuiltIn(it), it.permissions(admins_may_delete), it.scope_kind()),
        None => match find_custom(scope, word).await? {
            Some((role, allows)) => (role, allows, ScopeKind::Anything),
            None => {
                return fault(
                    "role",
                    "unknown_role",
                    format!("There is no role “{}” here.", brief(&wanted.role)),
                );
            }
        },
    };
    let asked = match (&wanted.scope, product_of_label) {
        (None | Some(GrantScopeRequest::Account {}), None) => GrantScope::Account,
        (None, Some(product)) => GrantScope::Product(product.to_owned()),
        (Some(GrantScopeRequest::Product { product }), label) if label.is_none_or(|it| it == product) => {
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
                format!("“{}” already says over which product.", brief(&wanted.role)),
            );
        }
    };
    let fits = match (&asked, reaches) {
        (GrantScope::Resources(listed), ScopeKind::Resources | ScopeKind::Anything) => !listed.is_empty(),
        (GrantScope::Account, it) => it != ScopeKind::Resources,
        (GrantScope::Product(_), it) => matches!(it, ScopeKind::Products | ScopeKind::Anything),
        (GrantScope::Resources(_), _) => false,
    };
    if !fits {
        let detail = match reaches {
            ScopeKind::Account => "This role is held over the whole account.",
            ScopeKind::Products => "This role is held over the whole account or one product.",
            ScopeKind::Resources => "This role needs a list of at least one resource.",
            ScopeKind::Anything => "List at least one resource.",
        };
        return fault("scope", "scope_not_allowed", detail.into());
    }
    if wanted.expires_at.is_some_and(|it| it <= scope.now()) {
        return fault("expires_at", "in_the_past", "The end lies in the past.".into());
    }
    Ok(Ok(Grant { id: None, role, over: asked, allows, expires_at: wanted.expires_at }))
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

/// All of them, or none if one is not of this account.
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
    let (me, all) = (scope.access().user_id(), scope.access().is_administrator());
    let sql = "select id, product from resources where account_id = $1 and id = any($2::uuid[])
        and ($3 or visibility = 'shared' or created_by = $4) order by id";
    let found: Vec<(ResourceId, String)> =
        scope.query_in_account(sql).bind(List(&ids)).bind(all).bind(me).fetch_all().await?;
    let all = found.len() == ids.len();
    Ok(all.then(|| found.into_iter().map(|(id, product)| ScopedResource { id, product }).collect()))
}

/// Nobody grants what they do not hold themselves over that scope.
pub fn check(access: &Access, grants: &[Grant]) -> Result<()> {
    access.rights.cover_all(grants).map_err(Error::MissingPermission)
}

/// Whose.
#[derive(Clone, Copy)]
pub enum Of {
    /// A member's.
    Membership(MembershipId),
    /// What an invitation promises.
    Invitation(InvitationId),
    /// A member's, by a group of the provider through which they signed in.
    Group(MembershipId),
}

/// Writes grants.
pub async fn insert<A>(
    change: &mut Change<A>,
    account: crate::model::id::AccountId,
    of: Of,
    grants: &[Grant],
) -> Result<()> {
    let (membership, invitation) = match of {
        Of::Membership(it) | Of::Group(it) => (Some(it), None),
        Of::Invitation(it) => (None, Some(it)),
    };
    let by = change.actor().id();
    for grant in grants {
        let id = change.context().id();
        let now = change.now();
        let (word, role_id) = match &grant.role {
            Role::BuiltIn(it) => (Some(it.as_str()), None),
            Role::Custom(id, _) => (None, Some(*id)),
        };
        let (scope, product) = match &grant.over {
            GrantScope::Account => ("account", None),
            GrantScope::Product(it) => ("product", Some(it.clone())),
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
            .bind(matches!(of, Of::Group(_)))
            .execute()
            .await?;
        if let GrantScope::Resources(listed) = &grant.over {
            for it in listed {
                let sql = "insert into grant_resources (grant_id, resource_id) values ($1, $2)";
                change.query_unscoped(sql).bind(id).bind(it.id).execute().await?;
            }
        }
    }
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Row {
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

macro_rules! grants {
    ($of:literal) => {
        concat!(
            "select g.", $of, " as of, g.id, g.role, g.role_id, r.name as role_name, r.permissions, g.scope, g.product, g.expires_at,
                case when g.scope = 'resources' then (
                    select cast(json_agg(encode(uuid_send(t.id), 'hex') || ' ' || t.product) as text)
                    from grant_resources x join resources t on t.id = x.resource_id where x.grant_id = g.id
                ) end as listed
             from grants g left join roles r on r.id = g.role_id
             where g.", $of, " = any($1::uuid[]) order by g.id"
        )
    };
}

/// The grants of these memberships or invitations, by whose they are. One statement for a page.
pub(super) async fn of<A>(
    scope: &mut Scope<A>,
    kind: Of,
    ids: &[Uuid],
    admins_may_delete: bool,
) -> Result<Vec<(Uuid, Grant)>> {
    let sql = match kind {
        Of::Membership(_) | Of::Group(_) => grants!("membership_id"),
        Of::Invitation(_) => grants!("invitation_id"),
    };
    let rows: Vec<Row> = scope.query_unscoped(sql).bind(List(ids)).fetch_all().await?;
    let grant = |it: Row| {
        let Row { of, id, role, role_id, role_name, permissions, scope, product, expires_at, listed } = it;
        let row = Listing { id, role, role_id, role_name, permissions, scope, product, listed, expires_at };
        row.grant(admins_may_delete).map(|it| (of, it))
    };
    Ok(rows.into_iter().filter_map(grant).collect())
}
