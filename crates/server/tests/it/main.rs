//! Tests of the server: one binary, one module per part.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

mod access;
mod alert_pages;
mod alerting;
mod alerts;
mod answering;
mod api;
mod browser;
mod config;
mod delivery;
mod demo;
mod docs;
mod email;
mod engine;
mod hosts;
mod house;
mod link;
mod outbox;
mod providers;
mod reload;
mod secrets;
mod site;
mod spine;
mod store;
mod storm;
mod support;
mod trouble;
mod web;
mod webhook;
