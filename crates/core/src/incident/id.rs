//! What an incident is called, and how its duration is said.

use std::time::Duration;

use jiff::Timestamp;

/// An incident's id: the monitor's name and the first failing check's time, both folded into
/// letters and digits that fit a URL.
#[must_use]
pub fn incident_id(monitor: &str, started_at: Timestamp) -> String {
    // FNV-1a, 32 bits: only has to tell monitors apart that fail in the same microsecond.
    let hash = monitor
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let micros = u64::try_from(started_at.as_microsecond()).unwrap_or_default();
    format!("{}-{}", base36(micros), base36(hash.into()))
}

fn base36(mut number: u64) -> String {
    let mut digits = Vec::new();
    loop {
        let digit = u32::try_from(number % 36).unwrap_or_default();
        digits.push(char::from_digit(digit, 36).unwrap_or('0'));
        number /= 36;
        if number == 0 {
            return digits.iter().rev().collect();
        }
    }
}

/// To a precision that a person wants to read: milliseconds below ten seconds, seconds above.
#[must_use]
pub fn rounded(duration: Duration) -> Duration {
    if duration < Duration::from_secs(10) {
        Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    } else {
        Duration::from_secs(duration.as_secs())
    }
}
