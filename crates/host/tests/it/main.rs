//! Integration tests of `whydown-host`: one binary, so that an edit links once.
