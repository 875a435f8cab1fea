//! All ways by which the signed-in user gets in, in one statement: what proves who they are, their passkeys, and who they are
//! elsewhere.
use super::{
    Me, Scope,
    factors::{Ways, ways_sql},
    identities::Identity,
    json,
    passkeys::Listed,
};
use crate::{
    error::Result,
    model::{id::PasskeyId, time::Time},
};
use serde::Deserialize;

/// All of them.
#[derive(Clone, Debug)]
pub struct Doors {
    /// By what they can prove who they are.
    pub ways: Ways,
    /// Their passkeys, in the order in which they were added.
    pub passkeys: Vec<Listed>,
    /// Who they are at Google and GitHub, and at the providers of organizations that they are in.
    pub identities: Vec<Identity>,
}

#[derive(sqlx::FromRow)]
struct Found {
    #[sqlx(flatten)]
    ways: Ways,
    passkeys_told: Option<String>,
    identities_told: Option<String>,
}

#[derive(Deserialize)]
struct ToldPasskey {
    id: PasskeyId,
    name: String,
    created_at: i64,
    used_at: Option<i64>,
}

#[derive(Deserialize)]
struct ToldIdentity {
    provider: String,
    organization: Option<String>,
    enforced: i32,
    label: String,
    linked_at: i64,
    used_at: i64,
}

/// The signed-in user's.
pub async fn list(scope: &mut Scope<Me>) -> Result<Doors> {
    let now = scope.now();
    let sql = ways_sql!(
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
                order by provider, organization limit 100) i) as identities_told"
    );
    let found: Found = scope.ask(sql).bind(now).fetch_one().await?;
    let passkeys = json::list::<ToldPasskey>(found.passkeys_told)?.into_iter().map(|it| Listed {
        id: it.id,
        name: it.name,
        created_at: Time(it.created_at),
        used_at: it.used_at.map(Time),
    });
    let identities = json::list::<ToldIdentity>(found.identities_told)?.into_iter().map(|it| Identity {
        provider: it.provider,
        organization: it.organization,
        enforced: it.enforced == 1,
        label: it.label,
        linked_at: Time(it.linked_at),
        used_at: Time(it.used_at),
    });
    Ok(Doors { ways: found.ways, passkeys: passkeys.collect(), identities: identities.collect() })
}
