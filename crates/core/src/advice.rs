//! What a failure and a cause mean, how to make sure, and how to end it.

use crate::cause::Cause;
use crate::diagnosis::Instruction;
use crate::target::Target;

/// How to make sure that `cause` is the cause, for this target.
#[must_use]
pub fn confirm(cause: Cause, target: &Target) -> Vec<Instruction> {
    let _ = (cause, target);
    Vec::new()
}

/// How to end `cause`, for this target.
#[must_use]
pub fn fix(cause: Cause, target: &Target) -> Vec<Instruction> {
    let _ = (cause, target);
    Vec::new()
}

/// What happened, as the beginning of a sentence.
#[must_use]
pub fn headline(failure: crate::failure::Failure, target: &Target) -> String {
    format!("{} {failure}", target.authority())
}

/// Why, as a clause.
#[must_use]
pub fn sentence(cause: Cause, _target: &Target) -> String {
    cause.to_string()
}

/// Who has to act.
#[must_use]
pub fn act(_cause: Cause, side: crate::cause::Side, _target: &Target) -> String {
    format!("{side} has to act.")
}
