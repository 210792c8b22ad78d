//! Real faults in the lab, and the verdict that a client alone can reach: failure, stage, first
//! cause and side.

mod client;
mod connect;
mod firewall;
mod names;
mod service;
mod tls;
