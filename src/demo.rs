//! A believable organization for `serve --demo`: ninety days of changes, made by the same functions that the screens call, so that
//! it has an audit log, mails and invoices.
mod billing;
mod data;
mod runner;
mod seed;
mod sso;
mod steps;
mod usage;

pub use billing::with_seller;

use crate::{
    context::Context,
    db::Db,
    error::{Error, Result},
    store::{Scope, System, users},
};

/// Everybody's password.
pub const PASSWORD: &str = "guildhall-demo";

/// Fills an empty database. Does nothing if it holds the demonstration already.
///
/// # Errors
/// `not_empty` if it holds anything else.
pub async fn fill(db: &Db, context: &Context) -> Result<()> {
    let (is_demo, is_empty) = {
        let mut scope = Scope::system(db, System("guildhall serve --demo"), context);
        (users::is_demo(&mut scope).await?, users::is_empty(&mut scope).await?)
    };
    match (is_demo, is_empty) {
        (true, _) => Ok(()),
        (false, true) => seed::seed(db, context).await,
        (false, false) => Err(Error::conflict(
            "not_empty",
            "This database holds other data than the demonstration. Set GUILDHALL_DATABASE_URL to another one.",
        )),
    }
}
