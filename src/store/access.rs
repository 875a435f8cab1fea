//! Resolves a credential and a slug to an actor and their access to the account: one statement, a row for each grant.
use super::{SignedInUser, grants::GrantColumns};
use crate::{
    crypto::secrets::hash,
    db::Conn,
    error::{Error, Result, SignInMethod, SignInReason, SignInRequired},
    model::{
        access::{Access, CurrentAccount},
        account::{AccountRef, Kind, LoginType},
        actor::{Actor, Session, UserSummary},
        grant::{Grant, Rights},
        id::{AccountId, KeyId, MembershipId, SessionId, UserId},
        permission::{Permission, Permissions},
        role::BuiltIn,
        time::Time,
    },
};
use const_format::concatcp;

/// What authenticates a request. Only hashes: the secrets stay in the request.
#[derive(Clone)]
pub enum Credential {
    /// The hash of a session cookie's secret.
    Session(Vec<u8>),
    Key(Vec<u8>),
}

impl Credential {
    pub fn session(secret: &str) -> Credential {
        Credential::Session(hash(secret))
    }
    pub fn key(secret: &str) -> Credential {
        Credential::Key(hash(secret))
    }
}

// One statement for each kind of credential: `s` is its row, `$1` its hash, `$2` the slug, `$3` the current time. `m` is the
// membership in the account `a`, `q` the one in its parent `p`.
const SELECT_USER: &str = "select u.id as user_id, u.name as user_name, u.email as user_email, u.time_zone, ";
const SELECT_ACCOUNT: &str = ",
                a.id as account_id, a.kind, a.slug, a.name, a.plan, a.admins_may_delete, a.requires_second_factor,
                p.requires_second_factor as parent_requires_second_factor, p.id as parent_id, p.kind as parent_kind, p.slug as parent_slug, p.name as parent_name, p.plan as parent_plan,
                m.id as membership_id, m.is_owner, m.suspended_at, m.expires_at, m.login_type,
                q.id as top_id, q.is_owner as top_is_owner, q.suspended_at as top_suspended_at,
                q.expires_at as top_expires_at, q.login_type as top_login_type,
                c.enforced_at is not null and coalesce(c.confirm_by, $3 + 1) > $3 and exists (
                    select 1 from domains d where d.account_id = c.account_id and d.verified_at is not null
                        and u.email_key like '%@' || d.domain
                ) as is_enforced,
                g.membership_id as grant_of, g.id as grant_id, g.role, g.scope, g.product, g.expires_at as grant_expires_at,
                r.id as role_id, r.name as role_name, r.permissions as role_permissions,
                case when g.scope = 'resources' then (
                    select cast(json_agg(encode(uuid_send(t.id), 'hex') || ' ' || t.product) as text)
                    from grant_resources x join resources t on t.id = x.resource_id where x.grant_id = g.id
                ) end as listed
            from ";
const JOIN_ACCOUNT: &str = "
            left join slugs z on z.slug = $2
            left join accounts a on a.id = z.account_id
            left join accounts p on p.id = a.parent_id
            left join memberships m on m.account_id = a.id and ";
const JOIN_ORGANIZATION: &str = "
            left join memberships q on q.account_id = p.id and q.user_id = u.id
            left join sso_connections c on c.account_id = coalesce(p.id, a.id)
            ";
const JOIN_GRANTS: &str = "
            left join grants g on g.membership_id in (m.id, q.id) and in_force(g, $3)
            left join roles r on r.id = g.role_id
            where ";

const BY_SESSION: &str = concatcp!(
    SELECT_USER,
    "s.id as session_id, s.method, s.proved_at, s.two_factors, w.proved_at as sso_at,
        cast(null as uuid) as key_id, cast(null as text) as key_name,
        cast(null as text) as key_permissions, cast(null as text) as key_resources",
    SELECT_ACCOUNT,
    "sessions s join users u on u.id = s.user_id",
    JOIN_ACCOUNT,
    "m.user_id = u.id",
    JOIN_ORGANIZATION,
    "left join sso_proofs w on w.session_id = s.id and w.account_id = coalesce(p.id, a.id)
        and in_force(w, $3)",
    JOIN_GRANTS,
    "s.hash = $1 and s.expires_at > $3"
);
const BY_KEY: &str = concatcp!(
    SELECT_USER,
    "cast(null as uuid) as session_id, cast(null as text) as method, cast(null as bigint) as proved_at, false as two_factors,
        cast(null as bigint) as sso_at,
        s.id as key_id, s.name as key_name, s.permissions as key_permissions, s.resources as key_resources",
    SELECT_ACCOUNT,
    "api_keys s join users u on u.id = s.user_id",
    JOIN_ACCOUNT,
    "m.id = s.membership_id",
    JOIN_ORGANIZATION,
    JOIN_GRANTS,
    "s.hash = $1 and s.revoked_at is null and in_force(s, $3) and s.membership_id is not null"
);
const BY_MEMBERSHIP: &str = concatcp!(
    SELECT_USER,
    "cast(null as uuid) as session_id, cast(null as text) as method, cast(null as bigint) as proved_at, false as two_factors,
        cast(null as bigint) as sso_at,
        cast(null as uuid) as key_id, cast(null as text) as key_name, cast(null as text) as key_permissions,
        cast(null as text) as key_resources",
    SELECT_ACCOUNT,
    "memberships s join users u on u.id = s.user_id",
    JOIN_ACCOUNT,
    "m.id = s.id",
    JOIN_ORGANIZATION,
    JOIN_GRANTS,
    "s.id = $1"
);

#[derive(sqlx::FromRow)]
struct AccessRow {
    user_id: UserId,
    user_name: String,
    user_email: String,
    time_zone: Option<String>,
    session_id: Option<SessionId>,
    method: Option<String>,
    proved_at: Option<Time>,
    sso_at: Option<Time>,
    two_factors: bool,
    key_id: Option<KeyId>,
    key_name: Option<String>,
    key_permissions: Option<String>,
    key_resources: Option<String>,
    account_id: Option<AccountId>,
    kind: Option<Kind>,
    slug: Option<String>,
    name: Option<String>,
    plan: Option<String>,
    admins_may_delete: Option<bool>,
    requires_second_factor: Option<bool>,
    parent_requires_second_factor: Option<bool>,
    parent_id: Option<AccountId>,
    parent_kind: Option<Kind>,
    parent_slug: Option<String>,
    parent_name: Option<String>,
    parent_plan: Option<String>,
    membership_id: Option<MembershipId>,
    is_owner: Option<bool>,
    suspended_at: Option<Time>,
    expires_at: Option<Time>,
    login_type: Option<LoginType>,
    top_id: Option<MembershipId>,
    top_is_owner: Option<bool>,
    top_suspended_at: Option<Time>,
    top_expires_at: Option<Time>,
    top_login_type: Option<LoginType>,
    is_enforced: bool,
    grant_of: Option<MembershipId>,
    #[sqlx(flatten)]
    grant: GrantColumns,
}

/// The actor, and what they may do in the account with this slug. `Unauthenticated` for an unknown credential, `NotFound` for a
/// user who is not a member, `AccessDenied` for a member who may not enter now, `SlugChanged` for a former slug of the account.
pub async fn find(
    conn: &mut Conn,
    credential: &Credential,
    slug: &str,
    now: Time,
) -> Result<(Actor, Access)> {
    let (sql, hash) = match credential {
        Credential::Session(hash) => (BY_SESSION, hash),
        Credential::Key(hash) => (BY_KEY, hash),
    };
    let rows: Vec<AccessRow> = conn.query(sql).bind(hash).bind(slug).bind(now).fetch_all().await?;
    let first = rows.first().ok_or(Error::Unauthenticated)?;
    let actor = first.actor()?;
    let access = enter(&rows, first, Some(&actor), slug, now)?;
    Ok((actor, access))
}

/// The access that a member would have after signing in as their membership requires, or why they would have none. `NotFound` if
/// the membership is not in the account with this slug.
pub(super) async fn of_member(
    conn: &mut Conn,
    id: MembershipId,
    slug: &str,
    now: Time,
) -> Result<(UserSummary, Result<Access>)> {
    let rows: Vec<AccessRow> = conn.query(BY_MEMBERSHIP).bind(id).bind(slug).bind(now).fetch_all().await?;
    let first = rows.first().filter(|row| row.membership_id.is_some()).ok_or(Error::NotFound)?;
    Ok((first.user(), enter(&rows, first, None, slug, now)))
}

/// Without an actor, the checks of how the user signed in are left out.
fn enter(
    rows: &[AccessRow],
    first: &AccessRow,
    actor: Option<&Actor>,
    slug: &str,
    now: Time,
) -> Result<Access> {
    let account = first.account().ok_or(Error::NotFound)?;
    let is_key = matches!(actor, Some(Actor::ApiKey { .. }));

    let own = MembershipState::of(
        first.membership_id,
        first.is_owner,
        [first.suspended_at, first.expires_at],
        first.login_type,
        now,
    );
    let top = MembershipState::of(
        first.top_id,
        first.top_is_owner,
        [first.top_suspended_at, first.top_expires_at],
        first.top_login_type,
        now,
    );
    let grants_of = |membership: &MembershipState| -> Vec<Grant> {
        let held = rows.iter().filter(|row| row.grant_of == Some(membership.id));
        held.filter_map(|row| row.grant.grant(account.admins_may_delete)).collect()
    };

    let under_organization = account.is_under_organization();
    let leads = |membership: &MembershipState| {
        membership.is_active
            && (membership.is_owner
                || grants_of(membership).iter().any(|grant| {
                    *grant
                        == Grant {
                            id: grant.id,
                            expires_at: grant.expires_at,
                            ..Grant::whole(BuiltIn::Admin, account.admins_may_delete)
                        }
                }))
    };
    let as_leader = under_organization && !is_key && top.as_ref().is_some_and(leads);
    // In a team of an organization, the organization's suspension, expiry and login type hold too.
    let above = under_organization.then_some(top.as_ref()).flatten();
    let inside = own.as_ref().filter(|membership| {
        membership.is_active && (!under_organization || above.is_some_and(|membership| membership.is_active))
    });

    let mut grants = inside.map(grants_of).unwrap_or_default();
    let is_owner = inside.is_some_and(|membership| membership.is_owner);
    if is_owner {
        grants = vec![Grant::whole(BuiltIn::Owner, true)];
    }
    if as_leader && !is_owner {
        grants.push(Grant::whole(BuiltIn::Admin, account.admins_may_delete));
    }
    if inside.is_none() && !as_leader {
        return Err(match own {
            None => Error::NotFound,
            Some(_) => Error::AccessDenied {
                code: "member_inactive",
                detail: format!(
                    "Your membership in {} is inactive. Ask its owner or an administrator.",
                    account.name
                ),
            },
        });
    }
    if let Some(session) = actor.and_then(Actor::session) {
        let required =
            [inside.map(|membership| membership.login_type), above.map(|membership| membership.login_type)];
        first.check_sign_in(session, &account, required.into_iter().flatten())?;
        // After a sign-in through the organization's provider, second factors are the provider's concern.
        let is_strong = session.is_strong() || first.sso_at.is_some();
        if first.needs_second_factor(under_organization) && !is_strong {
            return Err(Error::AccessDenied {
                code: SECOND_FACTOR,
                detail: format!("{} requires a sign-in with a second factor.", account.name),
            });
        }
    }
    if account.slug != slug {
        return Err(Error::SlugChanged(account.slug));
    }
    if account.kind == Kind::Personal {
        for grant in &mut grants {
            grant.allows = grant.allows.without(NOT_PERSONAL);
        }
    }
    let rights = Rights {
        grants,
        only: first.key_id.map(|_| first.key_permissions.as_deref().map_or(EVERYDAY, Permissions::from_json)),
        only_resources: first
            .key_resources
            .as_deref()
            .map(|json| serde_json::from_str(json).unwrap_or_default()),
    };
    let login_type = own.as_ref().map_or(LoginType::Any, |membership| membership.login_type);
    Ok(Access {
        account,
        user: Some(first.user()),
        membership: inside.map(|membership| membership.id),
        is_owner,
        rights,
        login_type,
    })
}

/// The error code where the account requires a second factor and the session was signed in without one.
pub const SECOND_FACTOR: &str = "second_factor";

/// Permissions that nobody has in a personal account: it has no other members, and exists as long as its user.
pub(super) const NOT_PERSONAL: Permissions = Permissions::of(&[
    Permission::InviteMembers,
    Permission::UpdateMembers,
    Permission::RemoveMembers,
    Permission::ManageRoles,
    Permission::TransferAccount,
    Permission::DeleteAccount,
    Permission::ManageSso,
]);

/// The permissions of an API key for which none were chosen.
pub const EVERYDAY: Permissions = Permissions::ALL.without(Permissions::of(&[
    Permission::TransferAccount,
    Permission::DeleteAccount,
    Permission::ManageSso,
]));

/// A membership in the account or in its parent.
struct MembershipState {
    id: MembershipId,
    is_owner: bool,
    is_active: bool,
    login_type: LoginType,
}

impl MembershipState {
    fn of(
        id: Option<MembershipId>,
        is_owner: Option<bool>,
        [suspended_at, expires_at]: [Option<Time>; 2],
        login_type: Option<LoginType>,
        now: Time,
    ) -> Option<MembershipState> {
        let is_active = suspended_at.is_none() && expires_at.is_none_or(|end| end > now);
        let login_type = login_type.unwrap_or(LoginType::Any);
        id.map(|id| MembershipState { id, is_owner: is_owner.unwrap_or(false), is_active, login_type })
    }
}

impl AccessRow {
    /// Checks how the user signed in, against the organization's enforcement of SSO and the login types of the memberships.
    fn check_sign_in(
        &self,
        session: &Session,
        account: &CurrentAccount,
        mut required: impl Iterator<Item = LoginType>,
    ) -> Result<()> {
        let top = account.parent.as_ref().map_or(&account.slug, |(parent, _)| &parent.slug);
        let sign_in_required = |way, why| {
            Err(Error::SignInRequired(Box::new(SignInRequired {
                name: account.name.clone(),
                slug: top.clone(),
                way,
                why,
            })))
        };
        let used_sso = self.sso_at.is_some();
        if !session.is_own() && !used_sso {
            return sign_in_required(SignInMethod::Own, SignInReason::Own);
        }
        if self.is_enforced && !used_sso {
            return sign_in_required(SignInMethod::Sso, SignInReason::Enforced);
        }
        let admits = |login_type: &LoginType| {
            login_type.admits(&session.method) || (*login_type == LoginType::Sso && used_sso)
        };
        match required.find(|login_type| !admits(login_type)) {
            None => Ok(()),
            Some(LoginType::Google) => sign_in_required(SignInMethod::Google, SignInReason::LoginType),
            Some(LoginType::Github) => sign_in_required(SignInMethod::Github, SignInReason::LoginType),
            Some(LoginType::Sso) => sign_in_required(SignInMethod::Sso, SignInReason::LoginType),
            Some(LoginType::Any | LoginType::Password) => {
                sign_in_required(SignInMethod::Password, SignInReason::LoginType)
            }
        }
    }
    /// An organization's requirement also holds in its teams.
    fn needs_second_factor(&self, under_organization: bool) -> bool {
        let above = self.parent_requires_second_factor.filter(|_| under_organization);
        self.requires_second_factor.unwrap_or(false) || above.unwrap_or(false)
    }
    fn account(&self) -> Option<CurrentAccount> {
        let parent = self.parent_id.zip(self.parent_kind).map(|(id, kind)| {
            let (slug, name) = (self.parent_slug.clone(), self.parent_name.clone());
            (AccountRef { id, slug: slug.unwrap_or_default(), name: name.unwrap_or_default() }, kind)
        });
        Some(CurrentAccount {
            id: self.account_id?,
            kind: self.kind?,
            slug: self.slug.clone()?,
            name: self.name.clone()?,
            plan: self.parent_plan.clone().or_else(|| self.plan.clone())?,
            parent,
            admins_may_delete: self.admins_may_delete?,
        })
    }
    fn user(&self) -> UserSummary {
        UserSummary { id: self.user_id, name: self.user_name.clone(), email: self.user_email.clone() }
    }
    fn actor(&self) -> Result<Actor> {
        let user = self.user();
        match (self.session_id, self.key_id) {
            (Some(id), _) => {
                let method = self.method.clone().unwrap_or_default();
                // Within the organization, a sign-in through its provider counts as recent authentication.
                let own = self.proved_at.filter(|_| method != LoginType::Sso.as_str());
                let proved_at = own.max(self.sso_at).unwrap_or(Time(0));
                let session = Session { id, method, proved_at, two_factors: self.two_factors };
                Ok(Actor::User { user, session, time_zone: self.time_zone.clone() })
            }
            (_, Some(id)) => Ok(Actor::ApiKey { id, name: self.key_name.clone().unwrap_or_default(), user }),
            _ => Err(Error::Unauthenticated),
        }
    }
}

/// The user of a session; `None` if there is no such session or it has expired.
pub async fn signed_in_user(conn: &mut Conn, session: &[u8], now: Time) -> Result<Option<SignedInUser>> {
    #[derive(sqlx::FromRow)]
    struct SessionRow {
        user_id: UserId,
        name: String,
        email: String,
        operator: bool,
        time_zone: Option<String>,
        id: SessionId,
        method: String,
        proved_at: Time,
        two_factors: bool,
    }
    let row: Option<SessionRow> = conn
        .query(
            "select u.id as user_id, u.name, u.email, u.operator, u.time_zone, s.id, s.method, s.proved_at, s.two_factors
             from sessions s join users u on u.id = s.user_id where s.hash = $1 and s.expires_at > $2",
        )
        .bind(session)
        .bind(now)
        .fetch_optional()
        .await?;
    Ok(row.map(|row| SignedInUser {
        user: UserSummary { id: row.user_id, name: row.name, email: row.email },
        session: Session {
            id: row.id,
            method: row.method,
            proved_at: row.proved_at,
            two_factors: row.two_factors,
        },
        operator: row.operator,
        time_zone: row.time_zone,
    }))
}
