//! What a failure and a cause mean, how to make sure, and how to end it.
//!
//! All knowledge is in tables: what failures mean in `failures.rs` and `failures_upper.rs`, what
//! causes mean in `causes.rs`, what to do in `owner.rs`, `backend.rs`, `ground.rs`, `names.rs`
//! and `visitor.rs`. This file only looks things up. It decides nothing: which cause it is, is
//! the business of [`diagnose`](mod@crate::diagnose).

mod backend;
mod causes;
mod failures;
mod failures_upper;
mod fill;
mod ground;
mod markdown;
mod names;
mod owner;
mod visitor;

use crate::cause::{Cause, Side};
use crate::diagnosis::Instruction;
use crate::failure::Failure;
use crate::target::Target;

pub use markdown::causes_markdown;
pub(crate) use markdown::{example, machine};

use causes::CauseText;
use failures::FailureText;
use fill::Step;

/// Something that is easily taken for a failure, and what differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookAlike {
    /// The other failure.
    pub failure: Failure,
    /// What differs.
    pub difference: &'static str,
}

const NO_FAILURE_TEXT: &FailureText = &FailureText {
    failure: Failure::SelfInternal,
    title: "",
    predicate: "",
    explanation: "",
    timing: "",
    look_alikes: &[],
    causes: &[],
};

fn failure_text(failure: Failure) -> &'static FailureText {
    let mut all = failures::LOWER.iter().chain(failures_upper::UPPER);
    all.find(|text| text.failure == failure).unwrap_or(NO_FAILURE_TEXT)
}

const NO_CAUSE_TEXT: &CauseText = &CauseText {
    cause: Cause::Unknown,
    title: "",
    clause: "",
    act: "",
    act_visitor: "",
    explanation: "",
    told_apart: "",
};

fn cause_text(cause: Cause) -> &'static CauseText {
    causes::TEXTS.iter().find(|text| text.cause == cause).unwrap_or(NO_CAUSE_TEXT)
}

/// The failure's name for a heading, such as "Connection refused".
#[must_use]
pub fn title(failure: Failure) -> &'static str {
    failure_text(failure).title
}

/// What the server or the network did, in one to three sentences.
#[must_use]
pub fn explanation(failure: Failure) -> &'static str {
    failure_text(failure).explanation
}

/// How long it takes until a client knows; `-` where time says nothing.
#[must_use]
pub fn timing(failure: Failure) -> &'static str {
    failure_text(failure).timing
}

/// What follows the target in a sentence, such as "refuses connections".
#[must_use]
pub fn predicate(failure: Failure) -> &'static str {
    failure_text(failure).predicate
}

/// The target and what it does, such as "example.com:443 refuses connections".
#[must_use]
pub fn headline(failure: Failure, target: &Target) -> String {
    let about_name = failure.stage() == crate::failure::Stage::Dns;
    let subject = if about_name { target.host.to_string() } else { target.authority() };
    format!("{subject} {}", predicate(failure))
}

/// What is easily taken for the failure.
#[must_use]
pub fn look_alikes(failure: Failure) -> Vec<LookAlike> {
    let all = failure_text(failure).look_alikes.iter();
    all.map(|&(failure, difference)| LookAlike { failure, difference }).collect()
}

/// The usual causes of a failure, the most frequent first: what to think of before there is
/// evidence.
#[must_use]
pub fn usual_causes(failure: Failure) -> &'static [Cause] {
    failure_text(failure).causes
}

/// The cause's name for a heading.
#[must_use]
pub fn cause_title(cause: Cause) -> &'static str {
    cause_text(cause).title
}

/// What is going on there, in a few sentences.
#[must_use]
pub fn cause_explanation(cause: Cause) -> &'static str {
    cause_text(cause).explanation
}

/// How the cause is told from others that look alike.
#[must_use]
pub fn told_apart(cause: Cause) -> &'static str {
    cause_text(cause).told_apart
}

/// A clause for the verdict, to follow a colon: "nothing listens on the port".
#[must_use]
pub fn sentence(cause: Cause, target: &Target) -> String {
    fill::prose(cause_text(cause).clause, target)
}

/// Who has to do what: "The website owner has to start the service."
#[must_use]
pub fn act(cause: Cause, side: Side, target: &Target) -> String {
    let text = cause_text(cause);
    let visitors = side == Side::Visitor && !text.act_visitor.is_empty();
    fill::prose(if visitors { text.act_visitor } else { text.act }, target)
}

fn steps(cause: Cause) -> (&'static [Step], &'static [Step]) {
    let all = [
        owner::steps(cause),
        backend::steps(cause),
        ground::steps(cause),
        names::steps(cause),
        visitor::steps(cause),
    ];
    all.into_iter().find(|(confirm, _)| !confirm.is_empty()).unwrap_or_default()
}

/// How to make sure that `cause` is the cause, for this target; the most telling first.
#[must_use]
pub fn confirm(cause: Cause, target: &Target) -> Vec<Instruction> {
    fill::instructions(steps(cause).0, target)
}

/// How to end `cause`, for this target; the most likely to help first.
#[must_use]
pub fn fix(cause: Cause, target: &Target) -> Vec<Instruction> {
    fill::instructions(steps(cause).1, target)
}
