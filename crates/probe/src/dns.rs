//! From a name to addresses as the C library does it (hosts file, search domains, `ndots`,
//! configured servers in turn), but saying what each step said. Nothing is cached.
//!
//! `exchange` is one question to one server; `lookup` is the whole procedure.

mod exchange;
mod lookup;
mod records;

pub(crate) use exchange::udp_socket;
pub use exchange::{Answer, Ask, Question, ask};
pub use lookup::{localhost, lookup, lookup_records};
pub use records::{addresses_in, record_texts};
