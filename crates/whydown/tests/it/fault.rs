//! Real faults in the lab, and the verdict that a client alone can reach: failure, stage, first
//! cause and side.

mod balancer;
mod client;
mod connect;
mod firewall;
mod names;
mod path;
mod proxy;
mod service;
mod tls;
mod unforeseen;

/// Faults in all tables.
pub(crate) const COUNT: usize = balancer::COUNT
    + client::COUNT
    + connect::COUNT
    + firewall::COUNT
    + names::COUNT
    + path::COUNT
    + proxy::COUNT
    + service::COUNT
    + tls::COUNT
    + unforeseen::COUNT;
