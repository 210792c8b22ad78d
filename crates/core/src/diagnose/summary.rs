//! The verdict in one breath: what, why, who.

use crate::advice;
use crate::cause::Cause;
use crate::diagnosis::Diagnosis;
use crate::failure::Failure;
use crate::observation::State;

use super::case::Case;

/// Below this the second cause is named too, when it is at least half as likely.
const SURE_MIN: f64 = 0.75;

pub(super) fn sentence(case: &Case<'_>, diagnosis: &Diagnosis) -> String {
    let target = case.target;
    let place = target.authority();
    let Some(failure) = diagnosis.failure else {
        return match (diagnosis.state, diagnosis.causes.first()) {
            (State::Up, Some(cause)) => {
                format!("{place} works, but {}.", advice::sentence(cause.code, target))
            }
            (State::Up, None) => format!("{place} works."),
            _ => format!("Nothing is known about {place} yet."),
        };
    };
    let headline = advice::headline(failure, target);
    if failure == Failure::SelfNotAllowed {
        return format!("{headline}, by its probe's --allow.");
    }
    let Some(first) = diagnosis.causes.first().filter(|cause| cause.code != Cause::Unknown) else {
        return format!("{headline}. {}", undecided(diagnosis));
    };
    let mut why = advice::sentence(first.code, target);
    let second = diagnosis.causes.get(1).filter(|second| {
        first.confidence < SURE_MIN
            && second.code != Cause::Unknown
            && second.confidence * 2.0 >= first.confidence
    });
    if let Some(second) = second {
        why = format!("{why}, or {}", advice::sentence(second.code, target));
    }
    format!("{headline}: {why}. {}", advice::act(first.code, first.side, target))
}

fn undecided(diagnosis: &Diagnosis) -> String {
    let others: Vec<&str> = diagnosis
        .causes
        .iter()
        .filter(|cause| cause.code != Cause::Unknown)
        .map(|cause| cause.code.code())
        .collect();
    if others.is_empty() {
        "The evidence does not decide why.".to_owned()
    } else {
        format!("The evidence does not decide why; possible: {}.", others.join(", "))
    }
}
