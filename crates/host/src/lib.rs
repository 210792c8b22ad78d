//! What a Linux machine knows about itself: the inside view of a server, and the visitor's own side.
