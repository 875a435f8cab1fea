//! A sliding window over the cost that was admitted in the last seconds, in bounded memory.
use super::time::Time;
use std::{collections::VecDeque, time::Duration};

/// The number of slices of a busy window. The cost of a slice expires as one, with the last of it: never early, and late by at
/// most one slice.
const SLICES: i64 = 1024;

/// Slices of admitted cost, newest last. The window ends exclusively: what was admitted exactly one span ago has expired.
#[derive(Debug)]
pub struct Window {
    span: i64,
    slices: VecDeque<Slice>,
    sum: u64,
}

#[derive(Debug)]
struct Slice {
    first: i64,
    last: i64,
    cost: u64,
}

impl Window {
    pub fn new(seconds: u32) -> Window {
        Window { span: i64::from(seconds) * 1_000_000, slices: VecDeque::new(), sum: 0 }
    }
    /// The cost within the window that ends now.
    pub fn sum(&mut self, now: Time) -> u64 {
        while let Some(oldest) =
            self.slices.front().filter(|slice| slice.last.saturating_add(self.span) <= now.0)
        {
            self.sum -= oldest.cost;
            self.slices.pop_front();
        }
        self.sum
    }
    /// Adds admitted cost. A clock that went back is treated as one that stood still.
    pub fn add(&mut self, now: Time, cost: u64) {
        if cost == 0 {
            return;
        }
        self.sum(now);
        let now = self.slices.back().map_or(now.0, |slice| slice.last.max(now.0));
        self.sum = self.sum.saturating_add(cost);
        match self.slices.back_mut() {
            Some(slice) if now - slice.first < self.span / SLICES => {
                slice.last = now;
                slice.cost = slice.cost.saturating_add(cost);
            }
            _ => self.slices.push_back(Slice { first: now, last: now, cost }),
        }
    }
    /// How long until that much cost has expired; the whole span if the window holds less.
    pub fn time_until_free(&self, cost: u64, now: Time) -> Duration {
        let mut left = cost;
        for slice in &self.slices {
            left = left.saturating_sub(slice.cost);
            if left == 0 {
                return Time(slice.last.saturating_add(self.span)).since(now);
            }
        }
        Duration::from_micros(self.span.unsigned_abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::random::Random;

    #[test]
    fn no_span_ever_admits_more_than_the_limit() {
        let chance = Random::real();
        let random = |below: u64| u64::from_le_bytes(chance.bytes()) % below;
        for round in 0..60 {
            let (seconds, limit) = (1 + u32::try_from(random(90)).unwrap(), 1 + random(400));
            let span = i64::from(seconds) * 1_000_000;
            let mut window = Window::new(seconds);
            let mut admitted: Vec<(i64, u64)> = vec![];
            let mut now = 1_000_000_000;
            for _ in 0..3000 {
                // Bursts, occasional long pauses, and a clock that goes back at times.
                now += match random(20) {
                    0 => i64::try_from(random(u64::try_from(span).unwrap())).unwrap(),
                    1 => -i64::try_from(random(1000)).unwrap(),
                    _ => i64::try_from(random(u64::try_from(span).unwrap() / limit + 1)).unwrap(),
                };
                let cost = 1 + random(3);
                if window.sum(Time(now)) + cost <= limit {
                    window.add(Time(now), cost);
                    admitted.push((now, cost));
                }
            }
            admitted.sort_unstable();
            let (mut from, mut sum) = (0, 0);
            for (at, cost) in &admitted {
                sum += cost;
                while admitted[from].0 + span <= *at {
                    sum -= admitted[from].1;
                    from += 1;
                }
                assert!(sum <= limit, "round {round}: {sum} of {limit} within {seconds} s");
            }
            assert!(window.slices.len() <= usize::try_from(SLICES).unwrap() + 2);
        }
    }

    #[test]
    fn it_tells_when_there_is_room_again() {
        let mut window = Window::new(60);
        window.add(Time(0), 2);
        window.add(Time(10_000_000), 3);
        assert_eq!(window.sum(Time(59_999_999)), 5);
        assert_eq!(window.time_until_free(1, Time(20_000_000)), Duration::from_secs(40));
        assert_eq!(window.time_until_free(3, Time(20_000_000)), Duration::from_secs(50));
        assert_eq!(window.time_until_free(9, Time(20_000_000)), Duration::from_secs(60));
        assert_eq!(window.sum(Time(60_000_000)), 3);
        assert_eq!(window.sum(Time(70_000_000)), 0);
    }

    #[test]
    fn a_busy_window_stays_small() {
        let mut window = Window::new(86_400);
        for at in 0..2_000_000 {
            window.add(Time(at * 43_200), 1);
        }
        assert!(window.slices.len() <= 1026, "{}", window.slices.len());
    }
}
