//! d
use crate::{db::Db, kit::Kit, error::Result};
/// x
pub async fn fill(db: &Db, kit: &Kit) -> Result<()> { let _ = (db, kit); Ok(()) }
