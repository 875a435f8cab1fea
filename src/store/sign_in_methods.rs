//! How the signed-in user can sign in, in one statement: factors, passkeys, and linked accounts.
use super::{
    Scope, SignedInUser,
    factors::{self, AvailableFactors},
    identities::Identity,
    json,
    passkeys::Passkey,
};
use crate::{
    error::Result,
    model::{id::PasskeyId, time::Time},
};
use const_format::concatcp;
use serde::Deserialize;

#[derive(Clone, Debug)]
pub struct SignInMethods {
    pub ways: AvailableFactors,
    /// Oldest first.
    pub passkeys: Vec<Passkey>,
    /// Google, GitHub, and the identity providers of their organizations.
    pub identities: Vec<Identity>,
}

#[derive(sqlx::FromRow)]
struct MethodsRow {
    #[sqlx(flatten)]
    ways: AvailableFactors,
    passkeys_told: Option<String>,
    identities_told: Option<String>,
}

#[derive(Deserialize)]
struct PasskeyRow {
    id: PasskeyId,
    name: String,
    created_at: i64,
    used_at: Option<i64>,
}

#[derive(Deserialize)]
struct IdentityRow {
    provider: String,
    organization: Option<String>,
    enforced: i32,
    label: String,
    linked_at: i64,
    used_at: i64,
}

pub async fn list(scope: &mut Scope<SignedInUser>) -> Result<SignInMethods> {
    let now = scope.now();
    let sql = concatcp!(
        factors::COLUMNS,
        ", (select cast(json_agg(json_build_object('id', encode(uuid_send(p.id), 'hex'), 'name', p.name,
                'created_at', p.created_at, 'used_at', p.used_at)) as text)
            from (select id, name, created_at, used_at from passkeys where user_id = $1 order by id limit 100) p) as passkeys_told,
        (select cast(json_agg(json_build_object('provider', i.provider, 'organization', i.organization, 'enforced', i.enforced,
                'label', i.label, 'linked_at', i.linked_at, 'used_at', i.used_at)) as text)
            from (select provider, cast(null as text) as organization, 0 as enforced, label, linked_at, used_at
                    from identities where user_id = $1
                union all
                select 'sso', a.name, case when c.enforced_at is not null and coalesce(c.confirm_by, $2 + 1) > $2 then 1 else 0 end,
                    s.email, s.linked_at, s.used_at
                from sso_identities s join accounts a on a.id = s.account_id join sso_connections c on c.account_id = a.id
                where s.user_id = $1 and exists (select 1 from memberships m where m.account_id = a.id and m.user_id = $1)
                order by provider, organization limit 100) i) as identities_told
        from users u where u.id = $1"
    );
    let found: MethodsRow = scope.query_of_user(sql).bind(now).fetch_one().await?;
    let passkeys = json::list::<PasskeyRow>(found.passkeys_told)?.into_iter().map(|row| Passkey {
        id: row.id,
        name: row.name,
        created_at: Time(row.created_at),
        used_at: row.used_at.map(Time),
    });
    let identities = json::list::<IdentityRow>(found.identities_told)?.into_iter().map(|row| Identity {
        provider: row.provider,
        organization: row.organization,
        enforced: row.enforced == 1,
        label: row.label,
        linked_at: Time(row.linked_at),
        used_at: Time(row.used_at),
    });
    Ok(SignInMethods { ways: found.ways, passkeys: passkeys.collect(), identities: identities.collect() })
}
