//! `guildhall key …`
use super::{
    account::unknown,
    open::{House, Missing},
    out::{Done, Failed, say_secret},
};
use crate::{
    model::{
        text::{Email, Name},
        time::{DAY, HOUR, Time},
    },
    settings::Settings,
    store::{accounts, keys, members},
};
use clap::{Args, Subcommand};

#[derive(Subcommand)]
pub enum Key {
    /// Make an API key for a member; prints the secret, once
    Create(Create),
}

#[derive(Args)]
pub struct Create {
    /// The slug of the account that it opens
    #[arg(long, value_name = "SLUG")]
    account: String,
    /// The address of the member whose key it is. It holds every permission that they have, whatever that is at the moment
    #[arg(long)]
    email: String,
    /// What it is called in the list of keys
    #[arg(long)]
    name: String,
    /// When it ends: in days (90d) or hours (12h), or never
    #[arg(long, value_name = "WHEN", default_value = "365d", value_parser = parse)]
    expires: Expiry,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expiry {
    Never,
    In(std::time::Duration),
}

fn parse(text: &str) -> Result<Expiry, String> {
    if text == "never" {
        return Ok(Expiry::Never);
    }
    let unit = [("d", DAY), ("h", HOUR)].into_iter().find_map(|(unit, long)| {
        let many: u32 = text.strip_suffix(unit)?.parse().ok().filter(|it| (1..=36_500).contains(it))?;
        Some(long * many)
    });
    unit.map(Expiry::In).ok_or_else(|| "say it in days or hours, such as 90d or 12h, or never".into())
}

impl Expiry {
    fn after(self, now: Time) -> Option<Time> {
        match self {
            Expiry::Never => None,
            Expiry::In(it) => Some(now.plus(it)),
        }
    }
}

impl Key {
    pub async fn run(self, settings: &Settings) -> Done {
        let Key::Create(it) = self;
        let (name, email) = (Name::parse(&it.name)?, Email::parse(&it.email)?);
        let house = House::open(settings, Missing::Refuse, "guildhall key create").await?;
        let made = house.change(async |change| {
            let account =
                accounts::by_slug(change, &it.account).await?.ok_or_else(|| unknown(&it.account))?;
            let seat = members::of_address(change, account.id, &email).await?;
            let (membership, user) = seat.ok_or_else(|| {
                Failed::because(format!("{email} is no member of {} ({}).", account.name, account.slug))
            })?;
            let expires_at = it.expires.after(change.now());
            Ok(keys::create_for(change, account.id, membership, user, &name, expires_at).await?)
        });
        let (_, secret) = made.await?;
        say_secret(secret).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_said_in_days_or_hours() {
        assert_eq!(parse("90d"), Ok(Expiry::In(90 * DAY)));
        assert_eq!(parse("12h"), Ok(Expiry::In(12 * HOUR)));
        assert_eq!(parse("never"), Ok(Expiry::Never));
        for bad in ["", "90", "d", "0d", "-1d", "1y", "99999999999d"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
