//! The whydown server: configuration, store, engine, outbox, channels, pages and API.
//!
//! Reports of probes come in, notices go out. `engine` alone decides and writes; [`outbox`]
//! alone delivers; pages and API talk to [`app::App`] and never to either.

pub mod access;
pub mod api;
pub mod app;
mod board;
pub mod channel;
pub mod clock;
pub mod config;
mod door;
mod engine;
mod export;
pub mod fleet;
mod health;
mod heartbeat;
pub mod notify;
pub mod outbox;
mod probing;
mod reload;
mod roster;
pub mod secret;
pub mod serve;
pub mod store;
mod tasks;
mod upkeep;
pub mod web;
