//! Verifies an API key for a gateway: the verdict, and how the rate limit stands.
use super::{Gateway, KeyEntry, rate_limit::Report};
use crate::{
    error::Result,
    model::{
        time::Time,
        verdict::{PermissionCheck, ResourceRef, Verdict},
    },
};
use std::sync::Arc;

/// What a gateway wants to know about a key.
pub struct Question {
    pub check: PermissionCheck,
    pub resource: Option<ResourceRef>,
    /// What a valid request takes from the rate limits.
    pub cost: u64,
}

pub struct Verification {
    pub key: Arc<KeyEntry>,
    pub verdict: Verdict,
    /// `None` if the plan has no limit.
    pub rate_limit: Option<Report>,
    /// When it was decided.
    pub at: Time,
}

impl Gateway {
    /// `None` if no key has this hash. Only a valid request takes from the rate limit and counts as a use of the key.
    pub async fn verify(&self, hash: &[u8; 32], question: Question) -> Result<Option<Verification>> {
        let Some(key) = self.cache.key(hash).await? else { return Ok(None) };
        let now = self.context.now();
        let account = &key.member.account;
        let cost = question.cost;
        if let Some(verdict) = self.refusal(&key, question, now).await? {
            let rate_limit = self.rate_limiter.plan(account.payer, &account.plan, None).await?;
            return Ok(Some(Verification { key, verdict, rate_limit, at: now }));
        }
        let rate_limit = self.rate_limiter.plan(account.payer, &account.plan, Some(cost)).await?;
        let is_admitted = rate_limit.as_ref().is_none_or(|report| report.admitted);
        let verdict = if is_admitted { Verdict::Valid } else { Verdict::RateLimited };
        if is_admitted && key.claim_use(now) {
            self.last_uses.write_key(key.id);
        }
        Ok(Some(Verification { key, verdict, rate_limit, at: now }))
    }

    /// Why the request is refused, however the rate limit stands.
    async fn refusal(&self, key: &KeyEntry, question: Question, now: Time) -> Result<Option<Verdict>> {
        if let Some(fault) = key.fault(now) {
            return Ok(Some(fault));
        }
        let Question { check, resource, .. } = question;
        let resource = match resource {
            Some(named) => Some(self.cache.resource(key.member.account.id, named).await?),
            None => None,
        };
        if !key.member.allows(&check, resource.as_ref().map(Option::as_ref), now) {
            return Ok(Some(Verdict::Forbidden));
        }
        Ok(key.is_spent(now).then_some(Verdict::QuotaExceeded))
    }
}
