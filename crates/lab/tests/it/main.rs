//! Integration tests of `whydown-lab`: one binary, so that an edit links once.

mod network;
