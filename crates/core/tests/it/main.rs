//! Integration tests of `whydown-core`: one binary, so that an edit links once.

mod diagnose;
mod incident;
mod notice;
mod scope;
mod target;
mod units;
