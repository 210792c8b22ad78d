//! Integration tests of the `whydown` command: real processes against real faults.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod agent;
mod agree;
mod cli;
mod clients;
mod cost;
mod docs;
mod fault;
mod here;
mod honest;
mod inside;
mod outage;
mod places;
mod ports;
mod run;
mod scene;
mod score;
mod timing;
