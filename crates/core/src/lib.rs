//! The pure heart of whydown: from a target to a diagnosis and a notice.
//!
//! `target → schedule → observation → diagnosis → scope → incident → notice`, one module each.
//! No I/O, no clock, no randomness, no async: `now` is an argument, and nothing here can fail
//! except parsing.

pub mod advice;
pub mod alerting;
pub mod cause;
pub mod client;
pub mod diagnose;
pub mod diagnosis;
pub mod evidence;
pub mod explain;
pub mod failure;
pub mod incident;
pub mod inquiry;
pub mod inside;
pub mod knocks;
pub mod monitor;
pub mod notice;
pub mod observation;
pub mod quorum;
pub mod schedule;
pub mod scope;
pub mod target;
pub mod units;
pub mod wire;
