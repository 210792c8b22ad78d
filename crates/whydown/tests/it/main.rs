//! Integration tests of `whydown`: one binary, so that an edit links once.
