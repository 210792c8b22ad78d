//! The whydown server: configuration, store, engine, outbox, channels, pages and API.
