//! Times, durations and shares as people read them. Always UTC: the page's script turns them into
//! the reader's own zone.

use std::time::Duration;

use jiff::Timestamp;
use whydown_core::units;

/// A moment: for the `datetime` attribute and for eyes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct When {
    /// RFC 3339.
    pub(crate) iso: String,
    /// `23 Nov 05:13:43 UTC`.
    pub(crate) text: String,
    /// `12 min ago`.
    pub(crate) ago: String,
}

impl When {
    /// `at` as seen at `now`.
    pub(crate) fn new(at: Timestamp, now: Timestamp) -> Self {
        let this_year = at.strftime("%Y").to_string() == now.strftime("%Y").to_string();
        let form = if this_year { "%-d %b %H:%M:%S UTC" } else { "%-d %b %Y %H:%M:%S UTC" };
        Self { iso: format!("{at:.0}"), text: at.strftime(form).to_string(), ago: ago(at, now) }
    }
}

fn ago(at: Timestamp, now: Timestamp) -> String {
    let passed = Duration::try_from(now.duration_since(at)).unwrap_or_default();
    if passed < Duration::from_secs(2) {
        return "just now".to_owned();
    }
    format!("{} ago", coarse(passed))
}

/// One unit: `12 min`.
fn coarse(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h", seconds / 3_600),
        86_400..172_800 => "1 day".to_owned(),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// Two units: `4.2 s`, `12 min 30 s`, `3 h 12 min`, `2 days 4 h`.
pub(crate) fn lasted(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let two = |big: u64, big_unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{big} {big_unit}"),
        _ => format!("{big} {big_unit} {small} {small_unit}"),
    };
    match seconds {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3_600 => two(seconds / 60, "min", seconds % 60, "s"),
        3_600..86_400 => two(seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        _ => {
            let days = seconds / 86_400;
            let unit = if days == 1 { "day" } else { "days" };
            two(days, unit, seconds % 86_400 / 3_600, "h")
        }
    }
}

/// A latency: `0.82 ms`, `23 ms`, `1.24 s`.
pub(crate) fn latency(duration: Duration) -> String {
    latency_ms(duration.as_secs_f64() * 1_000.0)
}

/// The same of milliseconds.
pub(crate) fn latency_ms(ms: f64) -> String {
    match ms {
        _ if ms < 1.0 => format!("{ms:.2} ms"),
        _ if ms < 9.95 => format!("{ms:.1} ms"),
        _ if ms < 999.5 => format!("{ms:.0} ms"),
        _ => format!("{:.2} s", ms / 1_000.0),
    }
}

/// A share of 1, never rounded up to 100 %.
pub(crate) fn percent_of(share: f64) -> String {
    let percent = (share * 100.0).clamp(0.0, 100.0);
    // The sum of many shares of 1 may be a hair below.
    if percent > 100.0 - 1e-9 {
        return "100 %".to_owned();
    }
    let cut = (percent * 100.0).floor() / 100.0;
    if percent < 10.0 { format!("{cut:.2} %") } else { format!("{} %", trimmed(cut)) }
}

fn trimmed(number: f64) -> String {
    let text = format!("{number:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A duration of a setting: `30s`, `1m 30s`.
pub(crate) fn setting(duration: Duration) -> String {
    units::show(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        let cases = [(4_200, "4.2 s"), (42_000, "42 s"), (750_000, "12 min 30 s")];
        let more = [(3_600_000, "1 h"), (11_520_000, "3 h 12 min"), (187_200_000, "2 days 4 h")];
        for (ms, text) in cases.into_iter().chain(more) {
            assert_eq!(lasted(Duration::from_millis(ms)), text);
        }
    }

    #[test]
    fn a_share_is_never_flattered() {
        assert_eq!(percent_of(0.999_99), "99.99 %");
        assert_eq!(percent_of(1.0), "100 %");
        assert_eq!(percent_of(0.995), "99.5 %");
        assert_eq!(percent_of(0.0), "0.00 %");
    }

    #[test]
    fn latencies_keep_two_digits() {
        for (ms, text) in [(0.82, "0.82 ms"), (9.4, "9.4 ms"), (23.4, "23 ms"), (1_240.0, "1.24 s")]
        {
            assert_eq!(latency_ms(ms), text);
        }
    }

    #[test]
    fn the_past_has_a_name() {
        let now: Timestamp = "2026-11-23T05:13:43Z".parse().unwrap();
        let when = |text: &str| When::new(text.parse().unwrap(), now);
        assert_eq!(when("2026-11-23T05:01:00Z").ago, "12 min ago");
        assert_eq!(when("2026-11-23T05:13:43Z").ago, "just now");
        assert_eq!(when("2025-11-23T05:13:43Z").text, "23 Nov 2025 05:13:43 UTC");
        assert_eq!(when("2026-01-02T05:13:43Z").text, "2 Jan 05:13:43 UTC");
    }
}
