//! The whydown command.
fn main() {}
