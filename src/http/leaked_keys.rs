//! Reports of leaked API keys, from the page and from the API.
use super::gate::Anyone;
use crate::{
    error::{Error, Result},
    store::keys,
};

/// How many reports one address may send in a quarter of an hour.
const MAX_REPORTS: u32 = 30;

/// Revokes the key, if it is one of ours. The caller does not learn whether it was: that would tell which keys exist.
pub async fn report(anyone: &Anyone, key: &str) -> Result<()> {
    let key = key.trim();
    if key.is_empty() {
        return Err(Error::invalid("key", "required", "Paste the whole key."));
    }
    // Never forgiven: a limit that depends on the key would tell whether it exists.
    let from = format!("leaked from {}", anyone.client().ip());
    let _ = anyone.app().throttle().attempt(&[(from, MAX_REPORTS)])?;
    anyone.change(async |change| keys::revoke_leaked(change, key).await).await?;
    Ok(())
}
