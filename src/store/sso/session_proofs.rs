//! Sign-ins through an organization's provider within a session. They give access to that organization and its teams.
use super::super::{Anonymous, Change, Scope};
use crate::{
    clients::oidc::LogoutToken,
    crypto::secrets::hash,
    error::Result,
    model::{
        id::{AccountId, IdentityId, SessionId},
        time::Time,
    },
};

/// A sign-in through an organization's identity provider, or with a break-glass code.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct SessionProof {
    pub account_id: AccountId,
    /// `None` for a break-glass code.
    pub identity_id: Option<IdentityId>,
    /// The provider's session id.
    pub sid: Option<String>,
    /// The provider's ID token, encrypted.
    pub token: Option<Vec<u8>>,
    pub proved_at: Time,
    /// `None`: as long as the session.
    pub expires_at: Option<Time>,
}

/// The proofs of a session.
pub async fn of<A>(scope: &mut Scope<A>, session: SessionId) -> Result<Vec<SessionProof>> {
    let sql = "select account_id, identity_id, sid, token, proved_at, expires_at from sso_proofs where session_id = $1";
    Ok(scope.query_unscoped(sql).bind(session).fetch_all().await?)
}

/// Adds proofs to a session, which is found by the hash of its cookie. A newer proof replaces an older one of the same
/// organization.
pub async fn store(change: &mut Change<Anonymous>, session: &[u8], proofs: &[SessionProof]) -> Result<()> {
    for proof in proofs {
        let sql = "insert into sso_proofs (session_id, account_id, identity_id, sid, token, proved_at, expires_at)
            select id, $2, $3, $4, $5, $6, $7 from sessions where hash = $1
            on conflict (session_id, account_id) do update set identity_id = excluded.identity_id, sid = excluded.sid,
                token = excluded.token, proved_at = excluded.proved_at, expires_at = excluded.expires_at";
        change
            .query_unscoped(sql)
            .bind(session.to_vec())
            .bind(proof.account_id)
            .bind(proof.identity_id)
            .bind(proof.sid.clone())
            .bind(proof.token.clone())
            .bind(proof.proved_at)
            .bind(proof.expires_at)
            .execute()
            .await?;
    }
    Ok(())
}

/// The slug of the organization that the session signed in to last.
pub async fn home<A>(scope: &mut Scope<A>, session: SessionId) -> Result<Option<String>> {
    let sql = "select a.slug from sso_proofs p join accounts a on a.id = p.account_id
        where p.session_id = $1 order by p.proved_at desc limit 1";
    let found: Option<(String,)> = scope.query_unscoped(sql).bind(session).fetch_optional().await?;
    Ok(found.map(|row| row.0))
}

/// The accounts whose provider could have issued a token.
pub async fn accounts_of<A>(scope: &mut Scope<A>, issuer: &str, client_id: &str) -> Result<Vec<AccountId>> {
    let sql = "select account_id from sso_connections where issuer = $1 and client_id = $2 limit 20";
    let found: Vec<(AccountId,)> =
        scope.query_unscoped(sql).bind(issuer.to_owned()).bind(client_id.to_owned()).fetch_all().await?;
    Ok(found.into_iter().map(|row| row.0).collect())
}

/// Stores a logout token. False if it was used before.
pub async fn claim_logout_token(
    change: &mut Change<Anonymous>,
    issuer: &str,
    logout: &LogoutToken,
) -> Result<bool> {
    let sql = "insert into sso_logouts (hash, expires_at) values ($1, $2) on conflict (hash) do nothing";
    let name = hash(&format!("{issuer} {}", logout.jti));
    let expires = Time(logout.expires.saturating_mul(1_000_000));
    Ok(change.query_unscoped(sql).bind(name).bind(expires).execute().await? > 0)
}

/// Deletes proofs by the provider's session id, or else all of the person's, and the sessions that depended on them.
pub async fn log_out(change: &mut Change<Anonymous>, account: AccountId, logout: &LogoutToken) -> Result<()> {
    let sql = "delete from sso_proofs where account_id = $1 and ($2 = '' or sid = $2) and identity_id in (
            select id from sso_identities where account_id = $1 and ($3 = '' or subject = $3))";
    let sid = logout.sid.clone().unwrap_or_default();
    let subject = logout.subject.clone().unwrap_or_default();
    change.query_unscoped(sql).bind(account).bind(sid).bind(subject).execute().await?;
    end_empty(change).await
}

/// Ends sessions that were started through a provider and have no proofs left.
pub async fn end_empty<A>(change: &mut Change<A>) -> Result<()> {
    let sql = "delete from sessions where method = 'sso' and not exists (
            select 1 from sso_proofs p where p.session_id = sessions.id)";
    change.query_unscoped(sql).execute().await?;
    Ok(())
}
