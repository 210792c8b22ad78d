//! Integration tests of `whydown-server`: one binary, so that an edit links once.

mod access;
mod api;
mod browser;
mod demo;
mod site;
mod web;
