//! How far the real clients agree, over all faults.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Mark;
use crate::clients::CLIENTS;
use crate::scene::Comparison;

/// What came of asking one client about all faults.
#[derive(Default)]
struct Count<'a> {
    same: usize,
    no_error: usize,
    other: usize,
    differ: usize,
    not_asked: BTreeMap<&'a str, usize>,
}

/// One line per client, and one per difference.
pub(super) fn summary(marks: &[Mark]) -> String {
    let mut text = format!("{} scenarios, the words of real clients beside seen_as\n", marks.len());
    for client in CLIENTS {
        let mut count = Count::default();
        for mark in marks {
            match &mark.clients[client] {
                Comparison::Same => count.same += 1,
                Comparison::NoError => count.no_error += 1,
                Comparison::Other => count.other += 1,
                Comparison::Differs { .. } => count.differ += 1,
                Comparison::NotAsked(reason) => *count.not_asked.entry(reason).or_default() += 1,
            }
        }
        let Count { same, no_error, other, differ, not_asked } = count;
        let agreed = same + no_error + other;
        let _ = write!(
            text,
            "{client:8} {agreed:3} agreed ({same} in words, {no_error} in showing no error, \
             {other} \
             in a scenario's other words)  {differ} differed  {} not asked",
            not_asked.values().sum::<usize>()
        );
        let reasons: Vec<String> =
            not_asked.iter().map(|(reason, number)| format!("{number} {reason}")).collect();
        text +=
            &if reasons.is_empty() { "\n".into() } else { format!(" ({})\n", reasons.join(", ")) };
    }
    for difference in marks.iter().flat_map(Mark::differences) {
        let _ = writeln!(text, "differs: {difference}");
    }
    text
}
