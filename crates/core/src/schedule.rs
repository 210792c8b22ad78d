//! When a monitor is checked: on its own beat, drift-free, spread so that monitors don't fire in
//! bursts, and repeated in quick succession when a check fails.

use std::time::Duration;

use jiff::Timestamp;

/// When the first repeat of a failing check begins, after the failing check ended.
pub const FIRST_REPEAT_AFTER: Duration = Duration::from_millis(250);
/// When the last repeat begins: long enough to outlive a restart's gap, short enough to tell soon.
pub const LAST_REPEAT_AFTER: Duration = Duration::from_millis(800);

/// When a monitor's next check begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// At once.
    Now,
    /// Then.
    At(Timestamp),
}

/// A monitor's place within its interval: stable across restarts and evenly spread over names.
#[must_use]
pub fn phase(name: &str, interval: Duration) -> Duration {
    let interval_us = u64::try_from(interval.as_micros()).unwrap_or(u64::MAX).max(1);
    Duration::from_micros(hash(name) % interval_us)
}

/// The phase of one of `of` places that look at the same monitor: evenly spread, so that a failure
/// is seen by the first of them after a fraction of the interval.
#[must_use]
pub fn phase_at(name: &str, interval: Duration, rank: usize, of: usize) -> Duration {
    let share = u32::try_from(of.max(1)).unwrap_or(u32::MAX);
    let rank = u32::try_from(rank).unwrap_or_default() % share;
    let phase = phase(name, interval) + interval / share * rank;
    if phase >= interval { phase - interval } else { phase }
}

/// FNV-1a with a final mix (names often differ only in their last digits): stable for ever,
/// unlike the standard library's hashes.
fn hash(name: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in name.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

/// When the next check begins, given the start of the last one. The beat is `phase` after every
/// whole multiple of `interval` since 1970, so that nothing adds up. A check that was made out of
/// turn does not bring the next one closer than half an interval; a beat missed because a check
/// took too long is made up for at once, and only once.
#[must_use]
pub fn due(interval: Duration, phase: Duration, last: Option<Timestamp>, now: Timestamp) -> Due {
    let Some(last) = last else { return Due::Now };
    let nanos = |duration: Duration| i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX);
    let interval = nanos(interval).max(1);
    let earliest = last.as_nanosecond() + interval / 2;
    let beats = (earliest - nanos(phase)).div_euclid(interval) + 1;
    let next = beats * interval + nanos(phase);
    // A clock that was set back must not silence a monitor.
    if next <= now.as_nanosecond() || next > now.as_nanosecond() + 2 * interval {
        return Due::Now;
    }
    Timestamp::from_nanosecond(next).map_or(Due::Now, Due::At)
}

/// When repeat `n` (1 to `confirm`) begins, counted from the end of the failing check; `None` when
/// there is no such repeat.
#[must_use]
pub fn repeat_after(confirm: u32, n: u32) -> Option<Duration> {
    if n == 0 || n > confirm {
        return None;
    }
    let between = LAST_REPEAT_AFTER.saturating_sub(FIRST_REPEAT_AFTER);
    Some(match confirm {
        1 => FIRST_REPEAT_AFTER,
        _ => FIRST_REPEAT_AFTER + between * (n - 1) / (confirm - 1),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::{Due, due, phase, phase_at, repeat_after};

    const INTERVAL: Duration = Duration::from_secs(30);

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(1_700_000_010_000 + ms).unwrap()
    }

    #[test]
    fn monitors_are_spread_evenly_over_their_interval() {
        let mut buckets = [0_u32; 10];
        for i in 0..10_000 {
            let phase = phase(&format!("shop-{i}"), INTERVAL);
            assert!(phase < INTERVAL);
            buckets[usize::try_from(phase.as_secs() / 3).unwrap()] += 1;
        }
        assert!(buckets.iter().all(|count| (800..1_200).contains(count)), "{buckets:?}");
        assert_eq!(phase("shop", INTERVAL), phase("shop", INTERVAL));
        assert_ne!(phase("shop", INTERVAL), phase("shop2", INTERVAL));
    }

    #[test]
    fn places_share_the_interval_evenly() {
        let mut phases: Vec<_> = (0..16).map(|rank| phase_at("shop", INTERVAL, rank, 16)).collect();
        assert_eq!(phases[0], phase("shop", INTERVAL));
        phases.sort();
        assert!(phases.iter().all(|phase| *phase < INTERVAL));
        assert!(phases.windows(2).all(|pair| pair[1] - pair[0] == INTERVAL / 16));
        assert_eq!(phase_at("shop", INTERVAL, 0, 0), phase("shop", INTERVAL));
    }

    #[test]
    fn the_beat_does_not_drift() {
        let phase = Duration::from_millis(7_300);
        let mut last = at(0);
        let mut starts = Vec::new();
        for _ in 0..100 {
            let Due::At(next) = due(INTERVAL, phase, Some(last), last) else { panic!("late") };
            // Every start is a little late, never the same.
            last = next + Duration::from_millis(3);
            starts.push(next.as_millisecond());
        }
        let apart = starts.windows(2).map(|pair| pair[1] - pair[0]);
        assert!(apart.into_iter().all(|ms| ms == 30_000));
        assert_eq!(starts[0].rem_euclid(30_000), 7_300);
    }

    #[test]
    fn a_check_out_of_turn_keeps_half_an_interval_clear() {
        let phase = Duration::ZERO;
        assert_eq!(due(INTERVAL, phase, None, at(1)), Due::Now);
        // The beats are at 0 and 30 s after `at(0)`.
        assert_eq!(due(INTERVAL, phase, Some(at(14_000)), at(14_100)), Due::At(at(30_000)));
        assert_eq!(due(INTERVAL, phase, Some(at(20_000)), at(20_100)), Due::At(at(60_000)));
    }

    #[test]
    fn a_missed_beat_is_made_up_for_once() {
        let phase = Duration::ZERO;
        assert_eq!(due(INTERVAL, phase, Some(at(0)), at(95_000)), Due::Now);
        assert_eq!(due(INTERVAL, phase, Some(at(95_000)), at(95_001)), Due::At(at(120_000)));
    }

    #[test]
    fn a_clock_set_back_does_not_silence_a_monitor() {
        assert_eq!(due(INTERVAL, Duration::ZERO, Some(at(7_200_000)), at(0)), Due::Now);
    }

    #[test]
    fn repeats_are_spread_over_most_of_a_second() {
        let ms = |confirm, n| repeat_after(confirm, n).map(|d| d.as_millis());
        assert_eq!((ms(2, 1), ms(2, 2), ms(2, 3)), (Some(250), Some(800), None));
        assert_eq!((ms(1, 1), ms(0, 1), ms(3, 0)), (Some(250), None, None));
        assert_eq!((ms(3, 1), ms(3, 2), ms(3, 3)), (Some(250), Some(525), Some(800)));
    }
}
