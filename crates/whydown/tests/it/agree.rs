//! What `seen_as` says is what the real clients say: the same fault of the lab, shown to both at
//! the same moment. A browser is started once for each group of faults.
//!
//! Firefox, Safari and clients that no package of Debian's brings are not compared here.

mod browser;
mod clients;
mod fault;
