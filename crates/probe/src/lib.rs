//! Network checks: [`observe()`] sees what a client sees, [`investigate()`] collects the evidence
//! that tells causes apart, [`runner`] does both on schedule. Nothing here holds an opinion about
//! causes, keeps a connection for later, or fails with an error: a failed check is a value.

pub mod agent;
pub mod connect;
pub mod dns;
pub mod examine;
mod expect;
pub mod investigate;
pub mod link;
pub mod observe;
use whydown_host::redact;
pub mod runner;
mod socket;
pub mod spool;
mod tap;
pub mod tls;

pub use examine::examine;
pub use expect::{NotUsable, check_expect, check_request};
pub use investigate::investigate;
pub use observe::{observe, observe_with};
