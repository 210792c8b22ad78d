//! From core types to what a page shows: pure functions and plain structs, no I/O and no HTML
//! except drawings, which contain nothing but numbers and times.

pub(super) mod bars;
pub(super) mod chart;
pub(super) mod observed;
pub(super) mod state;
pub(super) mod steps;
pub(super) mod time;
pub(super) mod verdict;
