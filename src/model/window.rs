//! A sliding window: what was admitted in the last so many seconds. No stretch of that length ever holds more than the
//! window was asked to keep to.
use super::time::Time;
use std::{collections::VecDeque, time::Duration};

/// Into how many pieces a window is cut when it is busy. What falls into one piece leaves together, with its last: a window
/// is never early, and late by at most a piece.
const PIECES: i64 = 1024;

/// What was admitted, newest last: at most one piece more than there are pieces, however much it is.
#[derive(Debug)]
pub struct Window {
    span: i64,
    pieces: VecDeque<Piece>,
    sum: u64,
}

#[derive(Debug)]
struct Piece {
    first: i64,
    last: i64,
    cost: u64,
}

impl Window {
    /// Of so many seconds.
    pub fn new(seconds: u32) -> Window {
        Window { span: i64::from(seconds) * 1_000_000, pieces: VecDeque::new(), sum: 0 }
    }
    /// How much the window that ends now holds.
    pub fn sum(&mut self, now: Time) -> u64 {
        while let Some(oldest) = self.pieces.front().filter(|it| it.last.saturating_add(self.span) <= now.0) {
            self.sum -= oldest.cost;
            self.pieces.pop_front();
        }
        self.sum
    }
    /// Something is admitted. A clock that went back is taken for one that stood still.
    pub fn add(&mut self, now: Time, cost: u64) {
        if cost == 0 {
            return;
        }
        self.sum(now);
        let now = self.pieces.back().map_or(now.0, |it| it.last.max(now.0));
        self.sum = self.sum.saturating_add(cost);
        match self.pieces.back_mut() {
            Some(it) if now - it.first < self.span / PIECES => {
                it.last = now;
                it.cost = it.cost.saturating_add(cost);
            }
            _ => self.pieces.push_back(Piece { first: now, last: now, cost }),
        }
    }
    /// How long until so much of it has left; the whole span if it holds less than that.
    pub fn frees(&self, much: u64, now: Time) -> Duration {
        let mut left = much;
        for it in &self.pieces {
            left = left.saturating_sub(it.cost);
            if left == 0 {
                return Time(it.last.saturating_add(self.span)).since(now);
            }
        }
        Duration::from_micros(self.span.unsigned_abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Chance;

    /// Whatever comes, and whenever: no stretch of the window's length admits more than the limit.
    #[test]
    fn no_window_ever_admits_more() {
        let chance = Chance::real();
        let random = |below: u64| u64::from_le_bytes(chance.bytes()) % below;
        for round in 0..60 {
            let (seconds, limit) = (1 + u32::try_from(random(90)).unwrap(), 1 + random(400));
            let span = i64::from(seconds) * 1_000_000;
            let mut window = Window::new(seconds);
            let mut admitted: Vec<(i64, u64)> = vec![];
            let mut now = 1_000_000_000;
            for _ in 0..3000 {
                // In bursts, and now and then after a long pause; at times the clock goes back.
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
            assert!(window.pieces.len() <= usize::try_from(PIECES).unwrap() + 2);
        }
    }

    #[test]
    fn it_says_when_there_is_room_again() {
        let mut window = Window::new(60);
        window.add(Time(0), 2);
        window.add(Time(10_000_000), 3);
        assert_eq!(window.sum(Time(59_999_999)), 5);
        assert_eq!(window.frees(1, Time(20_000_000)), Duration::from_secs(40));
        assert_eq!(window.frees(3, Time(20_000_000)), Duration::from_secs(50));
        assert_eq!(window.frees(9, Time(20_000_000)), Duration::from_secs(60));
        assert_eq!(window.sum(Time(60_000_000)), 3);
        assert_eq!(window.sum(Time(70_000_000)), 0);
    }

    #[test]
    fn a_busy_window_is_small() {
        let mut window = Window::new(86_400);
        for at in 0..2_000_000 {
            window.add(Time(at * 43_200), 1);
        }
        assert!(window.pieces.len() <= 1026, "{}", window.pieces.len());
    }
}
