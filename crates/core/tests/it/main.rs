//! Integration tests of `whydown-core`: one binary, so that an edit links once.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod advice;
mod client;
mod diagnose;
mod docs;
mod explain;
mod incident;
mod knocks;
mod membership;
mod notice;
mod scope;
mod target;
mod units;
