//! A believable organization for `serve --demo`: told as a story of ninety days, by the same functions that the screens call.
mod bills;
mod chapters;
mod doors;
mod people;
mod stage;
mod story;
mod usage;

pub use bills::sold;

use crate::{
    context::Kit,
    db::Db,
    error::{Error, Result},
    store::{Client, Host, Scope, users},
};

/// The password of everybody.
pub const PASSWORD: &str = "guildhall-demo";

/// Fills an empty database; leaves its own alone, and refuses any other.
pub async fn fill(db: &Db, kit: &Kit) -> Result<()> {
    let (is_demo, is_empty) = {
        let mut scope = Scope::read(db, Host("guildhall serve --demo"), kit, &Client::default());
        (users::is_demo(&mut scope).await?, users::is_empty(&mut scope).await?)
    };
    match (is_demo, is_empty) {
        (true, _) => Ok(()),
        (false, true) => story::tell(db, kit).await,
        (false, false) => Err(Error::conflict(
            "not_empty",
            "This database holds something else than the demonstration. Name another one by GUILDHALL_DATABASE_URL.",
        )),
    }
}
