//! Integration tests of `whydown-probe`: one binary, so that an edit links once.
