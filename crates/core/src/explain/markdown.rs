//! docs/errors.md, made from the knowledge in this crate.

/// The guide to every failure.
#[must_use]
pub fn errors_markdown() -> String {
    String::new()
}
