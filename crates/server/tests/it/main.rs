//! Integration tests of `whydown-server`: one binary, so that an edit links once.

mod demo;
mod site;
