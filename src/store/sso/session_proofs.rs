//! What a session was shown by an organization's provider. It opens that organization and its teams.
use super::super::{Change, Scope, Visitor, Who};
use crate::{
    clients::oidc::Logout,
    crypto::secrets::hash,
    error::Result,
    model::{
        id::{AccountId, IdentityId, SessionId},
        time::Time,
    },
};

/// One proof.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Proof {
    /// The organization.
    pub account_id: AccountId,
    /// Whose; none for a break-glass code.
    pub identity_id: Option<IdentityId>,
    /// The provider's name of its session.
    pub sid: Option<String>,
    /// The provider's token, sealed.
    pub token: Option<Vec<u8>>,
    /// When.
    pub proved_at: Time,
    /// Until when, if not as long as the session.
    pub expires_at: Option<Time>,
}

/// Those of a session.
pub async fn of<W: Who>(scope: &mut Scope<W>, session: SessionId) -> Result<Vec<Proof>> {
    let sql = "select account_id, identity_id, sid, token, proved_at, expires_at from sso_proofs where session_id = $1";
    Ok(scope.sql(sql).bind(session).fetch_all().await?)
}

/// Notes them on a session, by the secret of its cookie. The newest of an organization stays.
pub async fn note(change: &mut Change<Visitor>, session: &[u8], proofs: &[Proof]) -> Result<()> {
    for it in proofs {
        let sql = "insert into sso_proofs (session_id, account_id, identity_id, sid, token, proved_at, expires_at)
            select id, $2, $3, $4, $5, $6, $7 from sessions where hash = $1
            on conflict (session_id, account_id) do update set identity_id = excluded.identity_id, sid = excluded.sid,
                token = excluded.token, proved_at = excluded.proved_at, expires_at = excluded.expires_at";
        change
            .sql(sql)
            .bind(session.to_vec())
            .bind(it.account_id)
            .bind(it.identity_id)
            .bind(it.sid.clone())
            .bind(it.token.clone())
            .bind(it.proved_at)
            .bind(it.expires_at)
            .execute()
            .await?;
    }
    Ok(())
}

/// The organization that a session which the provider began opens: the newest.
pub async fn home<W: Who>(scope: &mut Scope<W>, session: SessionId) -> Result<Option<String>> {
    let sql = "select a.slug from sso_proofs p join accounts a on a.id = p.account_id
        where p.session_id = $1 order by p.proved_at desc limit 1";
    let found: Option<(String,)> = scope.sql(sql).bind(session).fetch_optional().await?;
    Ok(found.map(|it| it.0))
}

/// The accounts whose provider a token could come from, by the names that it bears.
pub async fn accounts_of<W: Who>(
    scope: &mut Scope<W>,
    issuer: &str,
    client_id: &str,
) -> Result<Vec<AccountId>> {
    let sql = "select account_id from sso_connections where issuer = $1 and client_id = $2 limit 20";
    let found: Vec<(AccountId,)> =
        scope.sql(sql).bind(issuer.to_owned()).bind(client_id.to_owned()).fetch_all().await?;
    Ok(found.into_iter().map(|it| it.0).collect())
}

/// Notes a logout token, which counts once: whether it is new.
pub async fn is_new(change: &mut Change<Visitor>, issuer: &str, logout: &Logout) -> Result<bool> {
    let sql = "insert into sso_logouts (hash, expires_at) values ($1, $2) on conflict (hash) do nothing";
    let name = hash(&format!("{issuer} {}", logout.jti));
    let expires = Time(logout.expires.saturating_mul(1_000_000));
    Ok(change.sql(sql).bind(name).bind(expires).execute().await? > 0)
}

/// Ends what the provider takes back: by its session, else all of the person's. What it began ends with it.
pub async fn take_back(change: &mut Change<Visitor>, account: AccountId, logout: &Logout) -> Result<()> {
    let sql = "delete from sso_proofs where account_id = $1 and ($2 = '' or sid = $2) and identity_id in (
            select id from sso_identities where account_id = $1 and ($3 = '' or subject = $3))";
    let sid = logout.sid.clone().unwrap_or_default();
    let subject = logout.subject.clone().unwrap_or_default();
    change.sql(sql).bind(account).bind(sid).bind(subject).execute().await?;
    change.renews(account.0);
    end_empty(change).await
}

/// Sessions that a provider began, and that nothing holds open any more, end.
pub async fn end_empty<W: Who>(change: &mut Change<W>) -> Result<()> {
    let sql = "delete from sessions where method = 'sso' and not exists (
            select 1 from sso_proofs p where p.session_id = sessions.id)";
    change.sql(sql).execute().await?;
    Ok(())
}
