//! How far this machine's clock is ahead of the server's, by the round trip that took least
//! (as NTP does, RFC 5905 §10), carried on by the monotonic clock so that setting the wall clock
//! moves no observation.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// A measurement is believed for so long even if later ones took longer.
const BEST_FOR: Duration = Duration::from_mins(10);

/// The server's clock as far as it is known here.
#[derive(Clone, Copy, Debug, Default)]
pub struct ServerClock {
    best: Option<Sample>,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    /// The server's time at `at`.
    server: Timestamp,
    at: Instant,
    round_trip: Duration,
}

impl ServerClock {
    /// Takes in an answer of the server's: it was asked at `sent`, and heard at `received`.
    pub fn measure(&mut self, server: Timestamp, sent: Instant, received: Instant) {
        let round_trip = received.saturating_duration_since(sent);
        let better = self.best.is_none_or(|best| {
            round_trip <= best.round_trip || received.saturating_duration_since(best.at) > BEST_FOR
        });
        if better {
            self.best = Some(Sample { server, at: sent + round_trip / 2, round_trip });
        }
    }

    /// How far a wall clock that shows `wall` at `now` is ahead (negative: behind), in
    /// milliseconds; `None` before the first measurement.
    #[must_use]
    pub fn ahead_ms(&self, wall: Timestamp, now: Instant) -> Option<i64> {
        let best = self.best?;
        let since = match now.checked_duration_since(best.at) {
            Some(after) => SignedDuration::try_from(after).ok()?,
            None => -SignedDuration::try_from(best.at - now).ok()?,
        };
        let server = best.server.checked_add(since).ok()?;
        i64::try_from(wall.duration_since(server).as_millis()).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::{SignedDuration, Timestamp};
    use tokio::time::Instant;

    use super::ServerClock;

    #[test]
    fn the_shortest_round_trip_is_believed_and_a_set_clock_is_noticed() {
        let begin = Instant::now();
        let ms = Duration::from_millis;
        let server = |at: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_millis(at);
        let mut clock = ServerClock::default();
        assert_eq!(clock.ahead_ms(server(0), begin), None);
        // Asked at 0, answered at 1,010 by the server's clock, heard after 20 ms.
        clock.measure(server(1_010), begin, begin + ms(20));
        // A slow one that would say something else.
        clock.measure(server(1_900), begin + ms(100), begin + ms(1_100));
        assert_eq!(clock.ahead_ms(server(1_500), begin + ms(500)), Some(0));
        // Ten minutes ahead; later somebody sets it right.
        assert_eq!(clock.ahead_ms(server(602_000), begin + ms(1_000)), Some(600_000));
        assert_eq!(clock.ahead_ms(server(3_000), begin + ms(2_000)), Some(0));
        assert_eq!(clock.ahead_ms(server(1_000), begin), Some(0));
    }
}
