//! The pure heart of whydown: from a target to a diagnosis and a notice, without I/O, clock or randomness.
