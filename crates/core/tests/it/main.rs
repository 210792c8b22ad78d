//! Integration tests of `whydown-core`: one binary, so that an edit links once.

mod advice;
mod client;
mod docs;
mod explain;
