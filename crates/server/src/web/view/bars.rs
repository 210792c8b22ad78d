//! History bars: one bar per part of the time shown, its height and colour by what the checks in
//! it found. A calm line of low bars is "fine"; trouble stands out by height as well as colour.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::time::percent_of;
use crate::store::Bucket;

/// Width of a bar with its gap, and of the bar alone, in drawing units.
const STEP: usize = 4;
const BAR: usize = 3;
/// Height of the drawing.
const HEIGHT: f64 = 28.0;
/// Height of a bar in which every check was fine.
const FINE: f64 = 17.0;
/// Height of the stub that stands for "no data".
const STUB: f64 = 4.0;

/// Which parts get a tooltip of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tips {
    /// Those with trouble: keeps lists of many monitors small.
    Trouble,
    /// All.
    Every,
}

/// A drawn history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bars {
    /// The drawing: only numbers and times.
    pub(crate) svg: String,
    /// Share of the time in which checks were answered, even if in part. Every bar counts the
    /// same: during trouble there are more checks, which must not make it look longer.
    pub(crate) uptime: Option<String>,
}

/// Draws `history`; `window` names its length ("Last 24 hours").
pub(crate) fn bars(history: &[Bucket], window: &str, tips: Tips) -> Bars {
    let mut drawn = Drawn::default();
    let mut totals = Totals::default();
    for (i, bucket) in history.iter().enumerate() {
        totals.add(bucket);
        drawn.bar(i * STEP, bucket);
        if tips == Tips::Every || bucket.down + bucket.degraded + bucket.inconclusive > 0 {
            drawn.tip(i * STEP, bucket, history.get(i + 1).map(|next| next.start));
        }
    }
    let uptime = totals.uptime();
    let label = totals.label(window, uptime.as_deref());
    let tall = if tips == Tips::Every { " tall" } else { "" };
    let width = history.len().max(1) * STEP;
    let mut svg = format!(
        "<svg class=\"bars{tall}\" viewBox=\"0 0 {width} {HEIGHT}\" preserveAspectRatio=\"none\" \
         role=\"img\" aria-label=\"{label}\"><title>{label}</title>"
    );
    for (class, path) in [
        ("n", drawn.none),
        ("u", drawn.up),
        ("i", drawn.unsure),
        ("g", drawn.degraded),
        ("d", drawn.down),
    ] {
        if !path.is_empty() {
            let _ = write!(svg, "<path class=\"{class}\" d=\"{path}\"/>");
        }
    }
    svg.push_str(&drawn.tips);
    svg.push_str("</svg>");
    Bars { svg, uptime }
}

#[derive(Default)]
struct Totals {
    answered: f64,
    bars: u32,
    troubled: usize,
}

impl Totals {
    fn add(&mut self, bucket: &Bucket) {
        let answered = bucket.up + bucket.degraded;
        let known = answered + bucket.down;
        if known > 0 {
            #[expect(clippy::cast_precision_loss, reason = "a share for eyes")]
            let share = answered as f64 / known as f64;
            self.answered += share;
            self.bars += 1;
        }
        self.troubled += usize::from(bucket.down + bucket.degraded > 0);
    }

    fn uptime(&self) -> Option<String> {
        (self.bars > 0).then(|| percent_of(self.answered / f64::from(self.bars)))
    }

    fn label(&self, window: &str, uptime: Option<&str>) -> String {
        match (uptime, self.troubled) {
            (None, _) => format!("{window}: no checks"),
            (Some(uptime), 0) => format!("{window}: {uptime} up"),
            (Some(uptime), troubled) => {
                format!("{window}: {uptime} up, trouble in {troubled} of the bars")
            }
        }
    }
}

#[derive(Default)]
struct Drawn {
    up: String,
    down: String,
    degraded: String,
    unsure: String,
    none: String,
    tips: String,
}

impl Drawn {
    fn bar(&mut self, x: usize, bucket: &Bucket) {
        let known = bucket.up + bucket.degraded + bucket.down;
        if known + bucket.inconclusive == 0 {
            return rect(&mut self.none, x, 0.0, STUB);
        }
        if known == 0 {
            return rect(&mut self.unsure, x, 0.0, FINE);
        }
        #[expect(clippy::cast_precision_loss, reason = "a drawing")]
        let share = |part: u64| part as f64 / known as f64;
        let bad = bucket.down + bucket.degraded;
        if bad == 0 {
            return rect(&mut self.up, x, 0.0, FINE);
        }
        // Trouble takes at least a third of the bar, however short it was: it must be seen.
        let bad_height = HEIGHT * share(bad).max(0.34);
        let down_height = if bucket.down == 0 {
            0.0
        } else {
            bad_height * (share(bucket.down) / share(bad)).max(0.5)
        };
        rect(&mut self.up, x, 0.0, HEIGHT - bad_height);
        rect(&mut self.degraded, x, HEIGHT - bad_height, bad_height - down_height);
        rect(&mut self.down, x, HEIGHT - down_height, down_height);
    }

    fn tip(&mut self, x: usize, bucket: &Bucket, end: Option<Timestamp>) {
        let said = words(bucket);
        let from = bucket.start.strftime("%-d %b %H:%M");
        let to = end.map_or_else(|| "now".to_owned(), |end| end.strftime("%H:%M UTC").to_string());
        let _ = write!(
            self.tips,
            "<rect class=\"hit\" x=\"{x}\" width=\"{STEP}\" height=\"{HEIGHT}\"><title>{from} to \
             {to}: {said}</title></rect>"
        );
    }
}

/// A rectangle standing on `bottom`, as a part of a path.
fn rect(path: &mut String, x: usize, bottom: f64, height: f64) {
    if height > 0.05 {
        let y = HEIGHT - bottom - height;
        let _ = write!(path, "M{x} {}h{BAR}v{}h-{BAR}z", short(y), short(height));
    }
}

/// Without useless decimals: pages hold thousands of these.
fn short(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

fn words(bucket: &Bucket) -> String {
    let all = bucket.up + bucket.degraded + bucket.down + bucket.inconclusive;
    if all == 0 {
        return "no checks".to_owned();
    }
    let mut said = vec![format!("{all} {}", if all == 1 { "check" } else { "checks" })];
    for (count, word) in [
        (bucket.down, "failed"),
        (bucket.degraded, "failed in part"),
        (bucket.inconclusive, "unclear"),
    ] {
        if count > 0 {
            said.push(format!("{count} {word}"));
        }
    }
    if said.len() == 1 {
        said.push("all fine".to_owned());
    }
    said.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(up: u64, degraded: u64, down: u64) -> Bucket {
        let start = "2026-11-23T05:00:00Z".parse().unwrap();
        Bucket { start, up, degraded, down, inconclusive: 0, mean_ms: None, max_ms: None }
    }

    #[test]
    fn fine_time_is_one_path_without_tips() {
        let drawn = bars(&[bucket(30, 0, 0); 90], "Last 24 hours", Tips::Trouble);
        assert_eq!(drawn.svg.matches("<path").count(), 1);
        assert!(!drawn.svg.contains("<rect"));
        assert!(drawn.svg.len() < 2_500, "{}", drawn.svg.len());
        assert_eq!(drawn.uptime.as_deref(), Some("100 %"));
    }

    #[test]
    fn a_single_failed_check_of_many_is_seen() {
        let drawn = bars(&[bucket(999, 0, 1)], "Last 24 hours", Tips::Trouble);
        assert!(drawn.svg.contains("class=\"d\" d=\"M0 0h3v9.5h-3z\""), "{}", drawn.svg);
        assert!(drawn.svg.contains("1000 checks, 1 failed"));
        assert_eq!(drawn.uptime.as_deref(), Some("99.9 %"));
    }

    #[test]
    fn no_data_is_not_fine() {
        let drawn = bars(&[bucket(0, 0, 0)], "Last 24 hours", Tips::Every);
        assert!(!drawn.svg.contains("class=\"u\""));
        assert_eq!(drawn.uptime, None);
        assert!(drawn.svg.contains("no checks"));
        assert!(bars(&[], "Last 24 hours", Tips::Every).svg.contains("viewBox=\"0 0 4 28\""));
    }
}
