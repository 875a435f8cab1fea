//! One dimension of one account's limit: what this process admitted, what others did, and what it may still admit.
use super::Dimension;
use crate::{
    model::{calendar::Day, catalog::RateLimit, time::Time, window::Window},
    store::rate_limits::{Busiest, Delta, Piece},
};
use std::{collections::BTreeMap, time::Duration};

/// Into so many pieces the time is cut, for what is shared and what is written down.
const PIECES: u32 = 60;
/// Limits over more than this outlive a restart though nobody shares them.
const LONG: u32 = 600;
/// For so long, a share that was refused is refused again without asking.
const DRY: Duration = Duration::from_millis(250);

/// Who else serves, and whether the database was asked just now.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Try {
    /// Nobody else.
    Alone,
    /// Others: admits out of the share alone.
    Shared,
    /// Others, and the share is what could be had.
    Last,
}

/// One dimension.
pub struct Rate {
    limit: RateLimit,
    window: Window,
    /// By piece, what of the database's count is ours.
    mine: BTreeMap<i64, i64>,
    /// By piece, what is not written down yet; less than nothing where a share is given back.
    unwritten: BTreeMap<i64, i64>,
    /// By piece, what others admitted or hold.
    others: BTreeMap<i64, i64>,
    /// The share that is left, of one piece.
    share: (i64, u64),
    /// What is being asked for.
    asked: u64,
    is_used: bool,
    is_due: bool,
    dry: Option<Time>,
    /// The most that its window held on a day, and whether that is still to be written down.
    busiest: (Day, u64),
    has_risen: bool,
}

impl Rate {
    /// Nothing was admitted.
    pub fn new(limit: &RateLimit) -> Rate {
        Rate {
            limit: limit.clone(),
            window: Window::new(limit.seconds),
            mine: BTreeMap::new(),
            unwritten: BTreeMap::new(),
            others: BTreeMap::new(),
            share: (0, 0),
            asked: 0,
            is_used: false,
            is_due: false,
            dry: None,
            busiest: (Day(0), 0),
            has_risen: false,
        }
    }
    /// Under another limit over the same window.
    pub fn named(self, limit: &RateLimit) -> Rate {
        Rate { limit: limit.clone(), dry: None, ..self }
    }
    /// Whether it is this one.
    pub fn is_of(&self, limit: &RateLimit) -> bool {
        self.limit == *limit
    }
    /// Its window's length.
    pub fn seconds(&self) -> u32 {
        self.limit.seconds
    }
    fn span(&self) -> i64 {
        i64::from(self.limit.seconds)
    }
    /// How long a piece is, in microseconds.
    fn long(&self) -> i64 {
        i64::from((self.limit.seconds / PIECES).max(1)) * 1_000_000
    }
    fn piece(&self, now: Time) -> i64 {
        now.0.div_euclid(self.long())
    }
    /// When a piece counts no more: what was admitted at its end has left the window then.
    fn until(&self, piece: i64) -> i64 {
        (piece + 1) * self.long() + self.span() * 1_000_000
    }
    fn elsewhere(&mut self, now: Time) -> u64 {
        while let Some(oldest) = self.others.first_key_value().map(|it| *it.0) {
            if self.until(oldest) > now.0 {
                break;
            }
            self.others.pop_first();
        }
        u64::try_from(self.others.values().sum::<i64>()).unwrap_or(0)
    }
    fn admitted(&mut self, now: Time) -> u64 {
        self.window.sum(now) + self.elsewhere(now)
    }
    /// A share holds for its piece; what is left of it is given back.
    fn turn(&mut self, now: Time) {
        let piece = self.piece(now);
        if self.share.0 != piece {
            self.give_back();
            self.share = (piece, 0);
            let over = now.0 - self.span() * 1_000_000 - self.long();
            let first = over.div_euclid(self.long());
            self.mine = self.mine.split_off(&first);
            self.unwritten = self.unwritten.split_off(&first);
        }
    }
    fn give_back(&mut self) {
        let (piece, left) = self.share;
        if left > 0 {
            *self.unwritten.entry(piece).or_default() -= i64::try_from(left).unwrap_or(i64::MAX);
            self.share.1 = 0;
        }
    }
    /// Whether so much fits; none: the database must be asked.
    pub fn fits(&mut self, cost: u64, now: Time, how: Try) -> Option<bool> {
        self.turn(now);
        let fits = self.admitted(now) + cost <= u64::from(self.limit.requests);
        if how == Try::Alone || cost == 0 {
            return Some(fits);
        }
        if self.share.1 >= cost {
            return Some(true);
        }
        let is_dry = self.dry.is_some_and(|it| now >= it && now.since(it) < DRY);
        (is_dry || how == Try::Last).then_some(false)
    }
    /// Admits.
    pub fn take(&mut self, cost: u64, now: Time, how: Try) {
        self.window.add(now, cost);
        self.is_used = true;
        self.rise(now);
        let piece = self.piece(now);
        // A share is written down already.
        let from_share = if how == Try::Alone { 0 } else { self.share.1.min(cost) };
        self.share.1 -= from_share;
        let rest = i64::try_from(cost - from_share).unwrap_or(i64::MAX);
        if rest > 0 {
            *self.unwritten.entry(piece).or_default() += rest;
        }
    }
    fn rise(&mut self, now: Time) {
        let (day, held) = (Day::of(now), self.admitted(now));
        if (day, held) > self.busiest {
            self.busiest = (day, held);
            self.has_risen = true;
        }
    }
    /// The most of the day, if nobody knows it yet.
    pub fn risen(&mut self, subject: &str) -> Option<Busiest> {
        let (Day(day), most) = self.busiest;
        let (span, most) = (self.span(), i64::try_from(most).unwrap_or(i64::MAX));
        let is_new = std::mem::take(&mut self.has_risen);
        is_new.then(|| Busiest { subject: subject.to_owned(), day, span, most })
    }
    /// It could not be written down.
    pub fn rises_again(&mut self) {
        self.has_risen = true;
    }
    /// How it stands: its window, what it says, and whether `wanted` does not fit.
    pub fn dimension(&mut self, place: usize, wanted: u64, now: Time) -> (u32, Dimension, bool) {
        let most = u64::from(self.limit.requests);
        let (own, others) = (self.window.sum(now), self.elsewhere(now));
        let remaining = most.saturating_sub(own + others);
        let lacking = wanted.saturating_sub(remaining);
        let oldest = self.others.first_key_value().map(|it| Time(self.until(*it.0)).since(now));
        let reset = match (own, oldest) {
            (0, None) => Duration::ZERO,
            (0, Some(elsewhere)) => elsewhere,
            (_, None) => self.window.frees(lacking.max(1), now),
            (_, Some(elsewhere)) => elsewhere.min(self.window.frees(lacking.max(1), now)),
        };
        let it = Dimension { place, limit: self.limit.requests, remaining, reset };
        (self.limit.seconds, it, lacking > 0)
    }
    /// What everybody wrote down: what of it is not ours is others'.
    pub fn others(&mut self, pieces: &[Piece]) {
        let span = self.span();
        self.others.clear();
        for it in pieces.iter().filter(|it| it.span == span) {
            let theirs = it.taken - self.mine.get(&it.piece).copied().unwrap_or(0);
            if theirs > 0 {
                self.others.insert(it.piece, theirs);
            }
        }
    }
    /// Takes a share: what is asked for, and some of what is left, so that the next need not ask. Alone with the count.
    pub fn share(&mut self, subject: &str, cost: u64, replicas: usize, now: Time) -> Vec<Delta> {
        self.turn(now);
        let held = self.admitted(now) + self.share.1;
        let room = u64::from(self.limit.requests).saturating_sub(held);
        let lacking = cost.saturating_sub(self.share.1);
        let fair = room / (u64::try_from(replicas).unwrap_or(1) + 1);
        // A replica that dies takes its share with it: no more than what a piece of time is worth.
        let worth = u64::from(self.limit.requests / PIECES);
        let more = if lacking <= room { lacking.max(fair.min(worth)) } else { 0 };
        let mut deltas = self.unwritten(subject);
        self.asked = more;
        if more > 0 {
            let taken = i64::try_from(more).unwrap_or(i64::MAX);
            let piece = self.share.0;
            deltas.push(Delta { taken, ..self.delta(subject, piece) });
        }
        self.dry = (more == 0).then_some(now);
        deltas
    }
    fn delta(&self, subject: &str, piece: i64) -> Delta {
        let until = self.until(piece);
        Delta { subject: subject.to_owned(), span: self.span(), piece, taken: 0, until }
    }
    fn unwritten(&mut self, subject: &str) -> Vec<Delta> {
        let all = std::mem::take(&mut self.unwritten);
        all.into_iter().map(|(piece, taken)| Delta { taken, ..self.delta(subject, piece) }).collect()
    }
    /// What became of what was to be written down: the share is ours, or all is as if it had not been tried.
    pub fn settle(&mut self, deltas: &[Delta], is_written: bool, now: Time) {
        self.turn(now);
        let asked = std::mem::take(&mut self.asked);
        let (span, mut last) = (self.span(), self.share.0);
        for it in deltas.iter().filter(|it| it.span == span) {
            if is_written {
                *self.mine.entry(it.piece).or_default() += it.taken;
            } else {
                *self.unwritten.entry(it.piece).or_default() += it.taken;
            }
            last = it.piece;
        }
        // What was asked for comes last of the deltas. A share of a piece that is over meanwhile is given back.
        if is_written && last == self.share.0 {
            self.share.1 += asked;
        } else if asked > 0 {
            *self.unwritten.entry(last).or_default() -= i64::try_from(asked).unwrap_or(i64::MAX);
        }
    }
    /// What is to be written down now.
    pub fn due(&mut self, subject: &str, all: bool, shared: bool, now: Time) -> Vec<Delta> {
        self.turn(now);
        if !std::mem::take(&mut self.is_used) || !shared {
            self.give_back();
        }
        self.is_due = false;
        if all || self.limit.seconds > LONG { self.unwritten(subject) } else { vec![] }
    }
    /// Whether it is to be written down, and was not said to be.
    pub fn becomes_due(&mut self, shared: bool) -> bool {
        let is_kept = shared || self.limit.seconds > LONG || self.has_risen;
        is_kept && !std::mem::replace(&mut self.is_due, true)
    }
    /// Whether a share is left to be given back.
    pub fn has_share(&self) -> bool {
        self.share.1 > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::MINUTE;

    #[test]
    fn who_dies_takes_little_along() {
        let limit = RateLimit { requests: 600, seconds: 60, name: None };
        let now = Time(1_800_000_000_000_000);
        let piece = Rate::new(&limit).piece(now);
        let mut kept = Piece { span: 60, piece, taken: 0 };
        for _ in 0..20 {
            let mut rate = Rate::new(&limit);
            rate.others(&[kept]);
            let took: i64 = rate.share("s", 1, 1, now).iter().map(|it| it.taken).sum();
            assert_eq!(took, 10);
            kept.taken += took;
        }
        // What died with them is free again when its window is over.
        let mut rate = Rate::new(&limit);
        rate.others(&[kept]);
        assert_eq!(rate.dimension(0, 0, now).1.remaining, 400);
        assert_eq!(rate.dimension(0, 0, now.plus(2 * MINUTE)).1.remaining, 600);
    }
}
