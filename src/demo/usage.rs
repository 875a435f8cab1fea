//! Ninety days of usage: more on weekdays than at weekends, growing slowly, and the same in every demonstration.
use super::{
    data::{KEYS, TEAMS},
    seed::{ACME, Acme},
};
use crate::{
    error::Result,
    model::{
        budget::Kind,
        calendar::Day,
        id::ResourceId,
        quantity::Quantity,
        time::{HOUR, MINUTE, Time},
        usage::event::{UsageEvent, UsageOwner},
        verdict::ResourceRef,
    },
    store::{
        budgets, keys,
        rate_limits::{self, HourlyCount, Peak},
        usage,
    },
};

/// Models, their product, and the cost of a request in thousandths of a credit.
const MODELS: &[(&str, &str, u128)] = &[
    ("pegasus-1.2", "video", 240),
    ("marengo-2.7", "video", 105),
    ("marengo-2.7", "video", 95),
    ("flux-pro", "image", 65),
    ("upscale-2", "image", 30),
];
/// Days that are written in one transaction.
const DAYS_AT_ONCE: u32 = 10;

impl Acme {
    /// Adds what keys, and teams without a key, used from where the last call ended up to `now`.
    pub async fn add_usage(&mut self, now: Time) -> Result<()> {
        let today = self.runner.today();
        // A day in the past that is not over belongs to the next call; today is added up to this moment.
        let days_ago = u32::try_from(today.0 - Day::of(now).0).unwrap_or(0);
        let last = if days_ago == 0 { 0 } else { days_ago + 1 };
        while self.usage_until > last {
            let first = self.usage_until.saturating_sub(DAYS_AT_ONCE).max(last);
            let mut batch = vec![];
            for days_ago in first..self.usage_until {
                let day = today.plus(-i64::from(days_ago));
                batch.extend(self.events_of_day(day, days_ago).into_iter().filter(|event| event.at <= now));
            }
            for event in &batch {
                if let UsageOwner::Key(id) = event.owner {
                    let last_used = self.last_used.entry(id).or_insert(event.at);
                    *last_used = event.at.max(*last_used);
                }
            }
            let batch = batch.into_iter().map(Ok).collect();
            self.runner.as_operator(async |change| usage::take(change, batch).await).await?;
            self.usage_until = first;
        }
        Ok(())
    }

    pub async fn set_last_used(&self) -> Result<()> {
        for (id, at) in &self.last_used {
            self.runner.set_clock(*at);
            keys::touch(&self.runner.db, &self.runner.context, &[*id]).await?;
        }
        Ok(())
    }

    /// The peak of the rate limit, and requests by the hour: a few are refused, and more on one afternoon.
    pub async fn add_rate_limit_history(&self) -> Result<()> {
        let payer = self.account().await?;
        let Day(day) = self.runner.today();
        let peak = Peak {
            subject: rate_limits::Subject::Plan(payer).to_string(),
            day,
            window_seconds: 60,
            peak: 486,
        };
        let until = rate_limits::hour(self.runner.context.now());
        let count = |hours_ago: i64| {
            let hour = until - hours_ago;
            let hour_of_day = hour.rem_euclid(24);
            let requests =
                if (7..19).contains(&hour_of_day) { 150 + hour * 37 % 90 } else { 20 + hour * 13 % 25 };
            let refused = match (hours_ago / 24, hour_of_day) {
                (12, 14) => 61,
                (_, 9..17) if hour * 31 % 11 == 0 => 1 + hour % 3,
                _ => 0,
            };
            HourlyCount { subject: rate_limits::Subject::Plan(payer).to_string(), hour, requests, refused }
        };
        let hours: Vec<HourlyCount> = (0..90 * 24).map(count).collect();
        rate_limits::record(&self.runner.db, &[], &[peak], &hours).await
    }

    /// A budget of the account that only notifies, and a hard one of a key.
    pub async fn add_budgets(&mut self) -> Result<()> {
        let key = self.keys.iter().find(|key| KEYS[key.0].1 == "Batch embed").map(|key| key.1.0);
        for (kind, subject, limit, is_hard) in
            [(Kind::Account, None, 12_000, false), (Kind::Key, key, 1_000, true)]
        {
            let (meter, limit) = ("credits".to_owned(), Quantity::from_whole(limit));
            let new = budgets::NewBudget { kind, subject, meter, limit, is_hard };
            self.runner.as_member("ada", ACME, async |change| budgets::create(change, &new).await).await?;
        }
        Ok(())
    }

    fn events_of_day(&self, day: Day, days_ago: u32) -> Vec<UsageEvent> {
        let mut events = vec![];
        for (index, id) in &self.keys {
            let (_, _, created_ago, valid_days, is_revoked) = KEYS[*index];
            let age = created_ago.saturating_sub(days_ago);
            let is_valid = days_ago < created_ago && (valid_days == 0 || age <= valid_days) && !is_revoked;
            if is_valid {
                self.add_requests(&mut events, day, days_ago, *index, UsageOwner::Key(*id));
            }
        }
        for (index, team) in TEAMS.iter().enumerate().filter(|(_, team)| days_ago < team.2) {
            self.add_requests(
                &mut events,
                day,
                days_ago,
                KEYS.len() + index,
                UsageOwner::Account(team.1.to_owned()),
            );
        }
        events
    }

    /// One or two hours of requests. `worker` varies the model, the size and the noise.
    fn add_requests(
        &self,
        events: &mut Vec<UsageEvent>,
        day: Day,
        days_ago: u32,
        worker: usize,
        owner: UsageOwner,
    ) {
        // 1970 began on a Thursday.
        let is_weekend = matches!((day.0 + 4).rem_euclid(7), 0 | 6);
        let hours = if is_weekend { 1 } else { 2 };
        for hour in 0..hours {
            let noise = noise(day, worker * 7 + hour);
            let (model, product, cost) =
                MODELS[(worker + usize::try_from(noise % 3).unwrap_or(0)) % MODELS.len()];
            let size = 600 / u128::from(u16::try_from(worker + 2).unwrap_or(u16::MAX));
            let growth = u128::from(140 - days_ago.min(90)) * (60 + u128::from(noise % 80)) / 100;
            let requests = (size + 3) * growth / 60 + 1;
            let at = day.start().plus(HOUR * u32::try_from(noise % 24).unwrap_or(0) + MINUTE * 13);
            let minutes = Quantity::from_nanos(requests * 1_250_000_000);
            let credits = Quantity::from_nanos(requests * cost * 1_000_000);
            let whole = Quantity::from_nanos(requests * 1_000_000_000);
            let resource = self.source(product, noise).filter(|_| matches!(owner, UsageOwner::Key(_)));
            for (meter, quantity) in [("credits", credits), ("requests", whole), ("video_minutes", minutes)] {
                if meter == "video_minutes" && product != "video" {
                    continue;
                }
                events.push(UsageEvent {
                    source: "/gateway/demo".into(),
                    id: format!("{day}-{worker}-{hour}-{meter}"),
                    at,
                    meter: meter.into(),
                    quantity,
                    owner: owner.clone(),
                    product: Some(product.into()),
                    model: Some(model.into()),
                    resource: resource.map(ResourceRef::Id),
                });
            }
        }
    }

    /// One of the product's sources, or none.
    fn source(&self, product: &str, noise: u64) -> Option<ResourceId> {
        let of_product = if product == "video" { &self.sources[..3] } else { &self.sources[3..] };
        let index = usize::try_from(noise / 16).unwrap_or(0) % (of_product.len() + 1);
        of_product.get(index).copied()
    }
}

/// A pseudo-random number: the same for the same day and salt (splitmix64).
fn noise(day: Day, salt: usize) -> u64 {
    let salt = u64::try_from(salt).unwrap_or(0);
    let mixed =
        day.0.unsigned_abs().wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ salt.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed >> 33
}
