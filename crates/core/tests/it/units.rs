//! Durations as people write them, and status ranges.

use std::time::Duration;

use whydown_core::monitor::StatusRanges;
use whydown_core::units::{parse, show};

#[test]
fn durations_are_read_and_written() {
    for (text, millis) in [
        ("500ms", 500),
        ("30s", 30_000),
        ("5m", 300_000),
        ("5min", 300_000),
        ("24h", 86_400_000),
        ("7d", 604_800_000),
        ("1m30s", 90_000),
        ("1m 30s", 90_000),
    ] {
        assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        assert_eq!(parse(&show(Duration::from_millis(millis))), Ok(Duration::from_millis(millis)));
    }
    assert_eq!(show(Duration::ZERO), "0s");
}

#[test]
fn other_texts_are_refused_with_an_example() {
    for text in ["", "30", "s", "-3s", "3 s 4", "1.5s", "99999999999999999999s", "3w", "1s-"] {
        let message = parse(text).expect_err(text).to_string();
        assert!(message.contains("500ms, 30s, 5m, 24h"), "{message}");
    }
}

#[test]
fn status_ranges_are_read_and_written() {
    for (text, shown, inside, outside) in [
        ("200", "200", 200, 201),
        ("200-399", "200-399", 399, 400),
        ("200-299, 401", "200-299, 401", 401, 301),
        ("204,304", "204, 304", 304, 200),
    ] {
        let ranges: StatusRanges = text.parse().unwrap();
        assert_eq!(ranges.to_string(), shown);
        assert!(ranges.contains(inside) && !ranges.contains(outside), "{text}");
    }
    for text in ["", "2xx", "399-200", "99", "600", "200-", "200;300"] {
        assert!(text.parse::<StatusRanges>().is_err(), "{text}");
    }
}
