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
