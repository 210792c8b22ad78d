//! What `seen_as` says is what the real clients say of the same fault of the lab, while it lasts.
//! Browsers are started once for each group of faults; the scenes of `fault` ask the other clients.
//!
//! Safari and clients that no package of Debian's brings are not compared here.

mod browser;
mod fault;
mod through;
