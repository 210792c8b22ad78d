//! Test-only: the house rules that clippy can't see, each a small function from the files of the
//! repository to findings. Rules read nothing but the [`Tree`] they are given, so that each is
//! proven on a bad sample (`tests/it/samples.rs`); nothing here changes a file.

mod blank;
mod finding;
mod rule;
mod tree;

pub use finding::Finding;
pub use rule::{RULES, Rule};
pub use tree::{BUILT, File, Tree};
