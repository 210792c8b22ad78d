//! The latency chart: a line of means, a band up to the longest, gaps where nothing answered.
//! Axis labels are HTML beside the drawing, so that they stay readable at any width.

use std::fmt::Write as _;

use super::time::latency_ms;
use crate::store::Bucket;

/// Height of the drawing; its width is one unit per part of the history.
const HEIGHT: f64 = 100.0;

/// A drawn course of latency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chart {
    /// The drawing: only numbers and times.
    pub(crate) svg: String,
    /// Labels of the vertical axis, top first.
    pub(crate) y: [String; 3],
    /// Labels of the horizontal axis, left first.
    pub(crate) x: Vec<String>,
}

/// Draws `history`; `None` when nothing was measured.
pub(crate) fn chart(history: &[Bucket], window: &str) -> Option<Chart> {
    let longest = history.iter().filter_map(|bucket| bucket.max_ms.or(bucket.mean_ms));
    let longest = longest.fold(0.0_f64, f64::max);
    if longest <= 0.0 {
        return None;
    }
    let top = ceiling(longest);
    let count = history.len();
    let means = history.iter().filter_map(|bucket| bucket.mean_ms);
    let (sum, n) = means.fold((0.0, 0.0), |(sum, n), mean| (sum + mean, n + 1.0));
    let label = format!(
        "{window}: latency {} on average, {} at most",
        latency_ms(sum / f64::max(n, 1.0)),
        latency_ms(longest)
    );
    let mut svg = format!(
        "<svg class=\"plot\" viewBox=\"0 0 {count} {HEIGHT}\" preserveAspectRatio=\"none\" \
         role=\"img\" aria-label=\"{label}\">\
         <path class=\"grid\" d=\"M0 0H{count}M0 50H{count}M0 100H{count}\"/>"
    );
    gaps(&mut svg, history);
    for run in runs(history) {
        curves(&mut svg, history, run, top);
    }
    tips(&mut svg, history);
    svg.push_str("</svg>");
    let y = [top, top / 2.0, 0.0].map(|ms| if ms == 0.0 { "0".to_owned() } else { latency_ms(ms) });
    Some(Chart { svg, y, x: days(history) })
}

/// The next of 1, 2, 5, 10, 20, … that is not below.
fn ceiling(ms: f64) -> f64 {
    let power = 10_f64.powf(ms.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().find(|step| step * power >= ms * 0.999);
    step.unwrap_or(10.0) * power
}

/// Stretches with measurements, as index ranges.
fn runs(history: &[Bucket]) -> Vec<std::ops::Range<usize>> {
    let mut runs: Vec<std::ops::Range<usize>> = Vec::new();
    for (i, bucket) in history.iter().enumerate() {
        if bucket.mean_ms.is_none() {
            continue;
        }
        match runs.last_mut() {
            Some(run) if run.end == i => run.end += 1,
            _ => runs.push(i..i + 1),
        }
    }
    runs
}

fn curves(svg: &mut String, history: &[Bucket], run: std::ops::Range<usize>, top: f64) {
    let y = |ms: f64| ((1.0 - (ms / top).min(1.0)) * HEIGHT * 10.0).round() / 10.0;
    let x = |i: usize| format!("{i}.5");
    let (mut line, mut band, mut back) = (String::new(), String::new(), String::new());
    for i in run.clone() {
        let bucket = &history[i];
        let mean = bucket.mean_ms.unwrap_or_default();
        let letter = if i == run.start { 'M' } else { 'L' };
        let _ = write!(line, "{letter}{} {}", x(i), y(mean));
        let _ = write!(band, "{letter}{} {}", x(i), y(bucket.max_ms.unwrap_or(mean)));
        back.insert_str(0, &format!("L{} {}", x(i), y(mean)));
    }
    if run.len() == 1 {
        // A line needs two ends; a lone measurement is a short dash.
        let _ = write!(line, "h0.4");
    }
    let _ = write!(
        svg,
        "<path class=\"band\" d=\"{band}{back}z\"/><path class=\"mean\" d=\"{line}\"/>"
    );
}

/// Parts in which checks failed.
fn gaps(svg: &mut String, history: &[Bucket]) {
    for (i, bucket) in history.iter().enumerate() {
        if bucket.down == 0 {
            continue;
        }
        if bucket.mean_ms.is_none() {
            let _ = write!(svg, "<rect class=\"gap\" x=\"{i}\" width=\"1\" height=\"{HEIGHT}\"/>");
        }
        let _ = write!(svg, "<rect class=\"gap-top\" x=\"{i}\" width=\"1\" height=\"3\"/>");
    }
}

fn tips(svg: &mut String, history: &[Bucket]) {
    for (i, bucket) in history.iter().enumerate() {
        let from = bucket.start.strftime("%-d %b %H:%M UTC");
        let said = match (bucket.mean_ms, bucket.max_ms) {
            (Some(mean), Some(max)) => {
                format!("{} on average, {} at most", latency_ms(mean), latency_ms(max))
            }
            (Some(mean), None) => latency_ms(mean),
            (None, _) if bucket.down > 0 => "no answer".to_owned(),
            (None, _) => "no checks".to_owned(),
        };
        let _ = write!(
            svg,
            "<rect class=\"hit\" x=\"{i}\" width=\"1\" height=\"{HEIGHT}\"><title>{from}: \
             {said}</title></rect>"
        );
    }
}

fn days(history: &[Bucket]) -> Vec<String> {
    let (Some(first), Some(last)) = (history.first(), history.last()) else { return Vec::new() };
    let long = last.start.duration_since(first.start).as_hours() >= 48;
    let form = if long { "%-d %b" } else { "%-d %b %H:%M UTC" };
    let middle = &history[history.len() / 2];
    let mut labels: Vec<String> =
        [first, middle].map(|bucket| bucket.start.strftime(form).to_string()).into();
    labels.push("now".to_owned());
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(mean_ms: Option<f64>, down: u64) -> Bucket {
        let start = "2026-11-23T05:00:00Z".parse().unwrap();
        let max_ms = mean_ms.map(|mean| mean * 2.0);
        Bucket { start, up: 1, degraded: 0, down, inconclusive: 0, mean_ms, max_ms }
    }

    #[test]
    fn a_failing_stretch_breaks_the_line() {
        let history =
            [bucket(Some(20.0), 0), bucket(Some(30.0), 0), bucket(None, 5), bucket(Some(25.0), 0)];
        let chart = chart(&history, "Last 24 hours").unwrap();
        assert_eq!(chart.svg.matches("class=\"mean\"").count(), 2);
        assert_eq!(chart.svg.matches("class=\"gap\"").count(), 1);
        assert_eq!(chart.y[0], "100 ms");
        assert_eq!(chart.x.len(), 3);
    }

    #[test]
    fn nothing_measured_is_no_chart() {
        assert_eq!(chart(&[bucket(None, 3)], "Last 24 hours"), None);
        assert_eq!(chart(&[], "Last 24 hours"), None);
    }

    #[test]
    fn the_axis_ends_at_a_round_number() {
        for (ms, top) in [(0.3, 0.5), (1.0, 1.0), (23.0, 50.0), (180.0, 200.0), (3_000.0, 5_000.0)]
        {
            assert!((ceiling(ms) - top).abs() < 1e-9, "{ms}");
        }
    }
}
