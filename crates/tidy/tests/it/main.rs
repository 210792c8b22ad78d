//! Integration tests of `whydown-tidy`: one binary, so that an edit links once.

mod repository;
mod samples;
