//! Network checks: `observe` sees what a client sees, `investigate` collects the evidence that tells causes apart.
