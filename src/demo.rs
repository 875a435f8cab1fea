//! d
use crate::{db::Db, error::Result, kit::Kit};
/// x
pub async fn fill(db: &Db, kit: &Kit) -> Result<()> {
    let _ = (db, kit);
    Ok(())
}
