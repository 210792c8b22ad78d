//! Test-only: hosts in network namespaces, peers that misbehave, real servers and a browser.
