//! Ninety days of work: on weekdays more than at weekends, growing slowly, the same for everybody who looks.
use super::{
    people::{KEYS, TEAMS},
    story::{ACME, Acme},
};
use crate::{
    error::{Error, Result},
    model::{
        budget::Kind,
        calendar::Day,
        id::{KeyId, ResourceId},
        quantity::Quantity,
        time::{HOUR, MINUTE, Time},
        usage::event::{Reported, Whose},
        verdict::Named,
    },
    store::{
        accounts, budgets, keys,
        rate_limits::{self, Busiest, Tally},
        usage,
    },
};

/// Models, their product, and what a request of theirs costs in thousandths of a credit.
const MODELS: &[(&str, &str, u128)] = &[
    ("pegasus-1.2", "video", 240),
    ("marengo-2.7", "video", 105),
    ("marengo-2.7", "video", 95),
    ("flux-pro", "image", 65),
    ("upscale-2", "image", 30),
];
/// How many days are told at a time.
const AT_ONCE: u32 = 10;

/// A key, by whom it was made and when.
pub type Made = (usize, KeyId);

impl Acme {
    /// What the keys, and programs of the teams without one, used since the last time, until `now`.
    pub async fn work(&mut self, now: Time) -> Result<()> {
        let today = self.stage.today();
        // A day that is not over is told with the next month; today is told as far as it goes.
        let ago = u32::try_from(today.0 - Day::of(now).0).unwrap_or(0);
        let last = if ago == 0 { 0 } else { ago + 1 };
        while self.told > last {
            let first = self.told.saturating_sub(AT_ONCE).max(last);
            let mut batch = vec![];
            for ago in first..self.told {
                let day = today.plus(-i64::from(ago));
                batch.extend(self.of_day(day, ago).into_iter().filter(|it| it.at <= now));
            }
            for it in &batch {
                if let Whose::Key(id) = it.whose {
                    let last = self.used.entry(id).or_insert(it.at);
                    *last = it.at.max(*last);
                }
            }
            let batch = batch.into_iter().map(Ok).collect();
            self.stage.host(async |change| usage::take(change, batch).await).await?;
            self.told = first;
        }
        Ok(())
    }

    /// When each key was used last stands in its list.
    pub async fn uses(&self) -> Result<()> {
        for (id, at) in &self.used {
            self.stage.set(*at);
            keys::touch(&self.stage.db, &self.stage.kit, &[*id]).await?;
        }
        Ok(())
    }

    /// How full the rate limit was at its fullest, as gateways saw it, and what it refused: a little, and on one afternoon more.
    pub async fn busiest(&self) -> Result<()> {
        let account = self.stage.host(async |change| accounts::by_slug(change, ACME).await).await?;
        let payer = account.ok_or(Error::NotFound)?.id;
        let Day(day) = self.stage.today();
        let most =
            Busiest { subject: rate_limits::Subject::Plan(payer).to_string(), day, span: 60, most: 486 };
        let until = rate_limits::hour(self.stage.kit.now());
        let tally = |ago: i64| {
            let hour = until - ago;
            let of_day = hour.rem_euclid(24);
            let asked = if (7..19).contains(&of_day) { 150 + hour * 37 % 90 } else { 20 + hour * 13 % 25 };
            let refused = match (ago / 24, of_day) {
                (12, 14) => 61,
                (_, 9..17) if hour * 31 % 11 == 0 => 1 + hour % 3,
                _ => 0,
            };
            Tally { subject: rate_limits::Subject::Plan(payer).to_string(), hour, asked, refused }
        };
        let tallies: Vec<Tally> = (0..90 * 24).map(tally).collect();
        rate_limits::add(&self.stage.db, &[], &[most], &tallies).await
    }

    /// One for all, which only tells; and a hard one for a key that works in batches.
    pub async fn budgets(&mut self) -> Result<()> {
        let tried = self.keys.iter().find(|it| KEYS[it.0].1 == "Batch embed").map(|it| it.1.0);
        for (kind, subject, limit, is_hard) in
            [(Kind::Account, None, 12_000, false), (Kind::Key, tried, 1_000, true)]
        {
            let (meter, limit) = ("credits".to_owned(), Quantity::from_whole(limit));
            let new = budgets::New { kind, subject, meter, limit, is_hard };
            self.stage.act("ada", ACME, async |it| budgets::create(it, &new).await).await?;
        }
        Ok(())
    }

    fn of_day(&self, day: Day, ago: u32) -> Vec<Reported> {
        let mut events = vec![];
        for (at, id) in &self.keys {
            let (_, _, made, lasts, is_revoked) = KEYS[*at];
            let age = made.saturating_sub(ago);
            let works = ago < made && (lasts == 0 || age <= lasts) && !is_revoked;
            if works {
                self.requests(&mut events, day, ago, *at, Whose::Key(*id));
            }
        }
        for (at, team) in TEAMS.iter().enumerate().filter(|(_, team)| ago < team.2) {
            self.requests(&mut events, day, ago, KEYS.len() + at, Whose::Account(team.1.to_owned()));
        }
        events
    }

    /// A few hours of work of one of them.
    fn requests(&self, events: &mut Vec<Reported>, day: Day, ago: u32, who: usize, whose: Whose) {
        // 1970 began on a Thursday.
        let is_weekend = matches!((day.0 + 4).rem_euclid(7), 0 | 6);
        let hours = if is_weekend { 1 } else { 2 };
        for hour in 0..hours {
            let chance = noise(day, who * 7 + hour);
            let (model, product, cost) =
                MODELS[(who + usize::try_from(chance % 3).unwrap_or(0)) % MODELS.len()];
            let size = 600 / u128::from(u16::try_from(who + 2).unwrap_or(u16::MAX));
            let grown = u128::from(140 - ago.min(90)) * (60 + u128::from(chance % 80)) / 100;
            let requests = (size + 3) * grown / 60 + 1;
            let at = day.start().plus(HOUR * u32::try_from(chance % 24).unwrap_or(0) + MINUTE * 13);
            let minutes = Quantity::from_nanos(requests * 1_250_000_000);
            let credits = Quantity::from_nanos(requests * cost * 1_000_000);
            let whole = Quantity::from_nanos(requests * 1_000_000_000);
            let resource = self.source(product, chance).filter(|_| matches!(whose, Whose::Key(_)));
            for (meter, quantity) in [("credits", credits), ("requests", whole), ("video_minutes", minutes)] {
                if meter == "video_minutes" && product != "video" {
                    continue;
                }
                events.push(Reported {
                    source: "/gateway/demo".into(),
                    id: format!("{day}-{who}-{hour}-{meter}"),
                    at,
                    meter: meter.into(),
                    quantity,
                    whose: whose.clone(),
                    product: Some(product.into()),
                    model: Some(model.into()),
                    resource: resource.map(Named::Id),
                });
            }
        }
    }

    /// One of the product's sources, now and then.
    fn source(&self, product: &str, chance: u64) -> Option<ResourceId> {
        let of_product = if product == "video" { &self.sources[..3] } else { &self.sources[3..] };
        let at = usize::try_from(chance / 16).unwrap_or(0) % (of_product.len() + 1);
        of_product.get(at).copied()
    }
}

/// The same number for the same day and worker.
fn noise(day: Day, salt: usize) -> u64 {
    let salt = u64::try_from(salt).unwrap_or(0);
    let it =
        day.0.unsigned_abs().wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ salt.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let it = (it ^ (it >> 29)).wrapping_mul(0x94d0_49bb_1331_11eb);
    it >> 33
}
