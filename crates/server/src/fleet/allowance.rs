//! What one key may send: so many observations and bytes a second, and one request of a kind at a
//! time. A probe in other hands waits for itself alone, and nobody waits for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

/// Observations that one key may send to be stored: this many at once (what a probe has kept while
/// its server was away), and so many a second in the long run.
const SEEN: Limit = Limit { burst: 200_000.0, per_second: 4_000.0 };
/// Reports that it may send ahead; what comes on top arrives with its batch.
const AHEAD: Limit = Limit { burst: 40_000.0, per_second: 2_000.0 };
/// Bytes of all of them, unpacked.
const BYTES: Limit = Limit { burst: 268_435_456.0, per_second: 4_194_304.0 };

struct Limit {
    burst: f64,
    per_second: f64,
}

/// How the reports come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// To be stored.
    Batch,
    /// To be judged at once.
    Ahead,
}

/// What is left of it for every key; cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Allowances(Arc<Mutex<HashMap<String, Left>>>);

#[derive(Debug)]
struct Left {
    seen: f64,
    ahead: f64,
    bytes: f64,
    at: Instant,
    /// Paths with a request under way.
    busy: Vec<&'static str>,
}

impl Left {
    fn full(now: Instant) -> Self {
        let (seen, ahead, bytes) = (SEEN.burst, AHEAD.burst, BYTES.burst);
        Self { seen, ahead, bytes, at: now, busy: Vec::new() }
    }

    fn grow(&mut self, now: Instant) {
        let seconds = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        for (left, limit) in
            [(&mut self.seen, SEEN), (&mut self.ahead, AHEAD), (&mut self.bytes, BYTES)]
        {
            *left = (*left + seconds * limit.per_second).min(limit.burst);
        }
    }
}

/// A request under way; the next of its kind may begin when this is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    allowances: Allowances,
    key: String,
    path: &'static str,
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(left) = self.allowances.lock().get_mut(&self.key) {
            left.busy.retain(|path| *path != self.path);
        }
    }
}

impl Allowances {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Left>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a request; `None` while another of the same key is under way there.
    pub(super) fn turn(&self, key: &str, path: &'static str) -> Option<Turn> {
        let mut all = self.lock();
        let left = all.entry(key.to_owned()).or_insert_with(|| Left::full(Instant::now()));
        if left.busy.contains(&path) {
            return None;
        }
        left.busy.push(path);
        drop(all);
        Some(Turn { allowances: self.clone(), key: key.to_owned(), path })
    }

    /// Takes observations and their bytes off what is left. False: it is not enough.
    pub(super) fn take(
        &self,
        turn: &Turn,
        way: Way,
        (seen, bytes): (usize, usize),
        now: Instant,
    ) -> bool {
        let number = |number: usize| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
        let (seen, bytes) = (number(seen), number(bytes));
        let mut all = self.lock();
        let Some(left) = all.get_mut(&turn.key) else { return false };
        left.grow(now);
        let counted = if way == Way::Batch { &mut left.seen } else { &mut left.ahead };
        if *counted < seen || left.bytes < bytes {
            return false;
        }
        *counted -= seen;
        left.bytes -= bytes;
        true
    }

    /// Keys that are gone need nothing any more.
    pub(super) fn retain(&self, known: impl Fn(&str) -> bool) {
        self.lock().retain(|key, left| known(key) || !left.busy.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{Allowances, Way};

    #[test]
    fn a_key_has_one_turn_and_its_own_share() {
        let all = Allowances::default();
        let now = Instant::now() + Duration::from_secs(1);
        let turn = all.turn("a", "/x").unwrap();
        assert!(all.turn("a", "/x").is_none());
        assert!(all.turn("a", "/y").is_some() && all.turn("b", "/x").is_some());
        assert!(all.take(&turn, Way::Batch, (200_000, 0), now));
        assert!(!all.take(&turn, Way::Batch, (1, 0), now));
        assert!(all.take(&turn, Way::Ahead, (1, 0), now));
        let later = now + Duration::from_secs(1);
        assert!(all.take(&turn, Way::Batch, (4_000, 1 << 20), later));
        assert!(!all.take(&turn, Way::Batch, (1, 0), later));
        assert!(!all.take(&turn, Way::Ahead, (0, 300 << 20), later));
        drop(turn);
        assert!(all.turn("a", "/x").is_some());
        all.retain(|key| key == "b");
        let turn = all.turn("a", "/x").unwrap();
        assert!(all.take(&turn, Way::Batch, (200_000, 0), now));
    }
}
