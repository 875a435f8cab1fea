//! `guildhall key …`
use super::{
    account::unknown,
    open::{IfMissing, Installation},
    out::{CliError, CliResult, print_secret},
};
use crate::{
    model::{
        text::{EmailAddress, Name},
        time::{DAY, HOUR, Time},
    },
    settings::Settings,
    store::{accounts, keys, members},
};
use clap::{Args, Subcommand};

#[derive(Subcommand)]
pub enum Key {
    /// Create an API key for a member; prints the secret, once
    Create(Create),
}

#[derive(Args)]
pub struct Create {
    /// The slug of the account that the key gives access to
    #[arg(long, value_name = "SLUG")]
    account: String,
    /// The email address of the member. The key always has the permissions that the member has at the moment
    #[arg(long)]
    email: String,
    /// The name of the key in the list of keys
    #[arg(long)]
    name: String,
    /// The lifetime in days (90d) or hours (12h), or never
    #[arg(long, value_name = "WHEN", default_value = "365d", value_parser = parse_expiry)]
    expires: Expiry,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expiry {
    Never,
    In(std::time::Duration),
}

fn parse_expiry(text: &str) -> Result<Expiry, String> {
    if text == "never" {
        return Ok(Expiry::Never);
    }
    let duration = [("d", DAY), ("h", HOUR)].into_iter().find_map(|(suffix, unit)| {
        let count: u32 = text.strip_suffix(suffix)?.parse().ok()?;
        (1..=36_500).contains(&count).then(|| unit * count)
    });
    duration.map(Expiry::In).ok_or_else(|| "give days or hours, such as 90d or 12h, or never".into())
}

impl Expiry {
    fn after(self, now: Time) -> Option<Time> {
        match self {
            Expiry::Never => None,
            Expiry::In(duration) => Some(now.plus(duration)),
        }
    }
}

impl Key {
    pub async fn run(self, settings: &Settings) -> CliResult {
        let Key::Create(args) = self;
        let (name, email) = (Name::parse(&args.name)?, EmailAddress::parse(&args.email)?);
        let installation = Installation::open(settings, IfMissing::Fail, "guildhall key create").await?;
        let created = installation.change(async |change| {
            let account =
                accounts::by_slug(change, &args.account).await?.ok_or_else(|| unknown(&args.account))?;
            let member = members::of_address(change, account.id, &email).await?;
            let (membership, user) = member.ok_or_else(|| {
                CliError::new(format!("{email} is not a member of {} ({}).", account.name, account.slug))
            })?;
            let expires_at = args.expires.after(change.now());
            Ok(keys::create_for(change, account.id, membership, user, &name, expires_at).await?)
        });
        let (_, secret) = created.await?;
        print_secret(secret).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiry_is_given_in_days_or_hours() {
        assert_eq!(parse_expiry("90d"), Ok(Expiry::In(90 * DAY)));
        assert_eq!(parse_expiry("12h"), Ok(Expiry::In(12 * HOUR)));
        assert_eq!(parse_expiry("never"), Ok(Expiry::Never));
        for bad in ["", "90", "d", "0d", "-1d", "1y", "99999999999d"] {
            assert!(parse_expiry(bad).is_err(), "{bad}");
        }
    }
}
