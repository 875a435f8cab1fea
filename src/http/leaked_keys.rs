//! Keys that somebody found, reported by the page or by the API.
use super::gate::Anyone;
use crate::{
    error::{Error, Result},
    store::keys,
};

/// Reports of one address in a quarter of an hour.
const OF_ADDRESS: u32 = 30;

/// Revokes the key, if it is one of ours. What became of it is not told: it would say which keys are.
pub async fn report(anyone: &Anyone, key: &str) -> Result<()> {
    let key = key.trim();
    if key.is_empty() {
        return Err(Error::invalid("key", "required", "Paste the whole key."));
    }
    // Every report counts, the right ones too: an answer that depends on the key would tell.
    let _ =
        anyone.app().throttle().attempt(&[(format!("leaked from {}", anyone.client().ip()), OF_ADDRESS)])?;
    anyone.change(async |change| keys::revoke_leaked(change, key).await).await?;
    Ok(())
}
