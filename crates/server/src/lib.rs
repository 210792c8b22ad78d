//! The whydown server: configuration, store, engine, outbox, channels, pages and API.
//!
//! Reports of probes come in, notices go out. [`engine`] alone decides and writes; [`outbox`]
//! alone delivers; pages and API talk to [`app::App`] and never to either.

pub mod access;
pub mod app;
pub mod channel;
pub mod config;
pub mod secret;
pub mod serve;
pub mod store;
pub mod web;
