//! One recognisable text, and how it is looked for. The texts themselves are in the tables
//! beside this file, in lower case with straight quotation marks and single blanks.

use crate::cause::Cause;
use crate::failure::Failure;

use super::paste::Paste;

/// What "cannot be resolved" may mean in clients that have one text for all of it.
pub(super) const UNRESOLVED: &[Failure] = &[
    Failure::DnsNoAddress,
    Failure::DnsTimedOut,
    Failure::DnsServerFailure,
    Failure::DnsRefused,
    Failure::DnsUnreachable,
];
/// What `getaddrinfo`'s "temporary failure" may mean besides silence.
pub(super) const TEMPORARY: &[Failure] =
    &[Failure::DnsServerFailure, Failure::DnsRefused, Failure::DnsUnreachable];

/// How much a match decides. The higher rank wins whatever the lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// A client's collective text, such as curl's exit 7: any plain text beside it says more.
    Vague,
    /// A text with one meaning.
    Plain,
    /// Decides even when a plain text stands beside it: a proxy's complaint that quotes another.
    Exact,
}

/// Where a text may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Anywhere, on word boundaries.
    Word,
    /// On word boundaries, and nothing but punctuation or a known continuation after it: the
    /// words of `strerror` also occur in prose.
    End,
    /// The whole paste is this text: words that mean something else anywhere else.
    Whole,
}

/// A text and what it means.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pattern {
    pub(super) text: &'static str,
    /// A second text that must stand somewhere in the paste; empty: none.
    pub(super) with: &'static str,
    pub(super) place: Place,
    pub(super) rank: Rank,
    /// `None`: it names a cause, not a client's failure.
    pub(super) failure: Option<Failure>,
    /// Whose text it is; empty: anyone's.
    pub(super) client: &'static str,
    /// Other failures that are worded the same.
    pub(super) also: &'static [Failure],
    /// Causes that the text itself names, before the usual ones.
    pub(super) causes: &'static [Cause],
}

/// A text anywhere that means `failure`.
pub(super) const fn says(text: &'static str, failure: Failure) -> Pattern {
    Pattern {
        text,
        with: "",
        place: Place::Word,
        rank: Rank::Plain,
        failure: Some(failure),
        client: "",
        also: &[],
        causes: &[],
    }
}

/// A text anywhere that names causes instead of a client's failure.
pub(super) const fn blames(text: &'static str, causes: &'static [Cause]) -> Pattern {
    Pattern { failure: None, causes, ..says(text, Failure::SelfInternal) }
}

impl Pattern {
    pub(super) const fn by(self, client: &'static str) -> Self {
        Self { client, ..self }
    }

    pub(super) const fn with(self, with: &'static str) -> Self {
        Self { with, ..self }
    }

    pub(super) const fn also(self, also: &'static [Failure]) -> Self {
        Self { also, ..self }
    }

    pub(super) const fn because(self, causes: &'static [Cause]) -> Self {
        Self { causes, ..self }
    }

    pub(super) const fn at_end(self) -> Self {
        Self { place: Place::End, ..self }
    }

    pub(super) const fn whole(self) -> Self {
        Self { place: Place::Whole, ..self }
    }

    pub(super) const fn vague(self) -> Self {
        Self { rank: Rank::Vague, ..self }
    }

    pub(super) const fn exact(self) -> Self {
        Self { rank: Rank::Exact, ..self }
    }

    /// Where in the paste the text stands, if it does.
    pub(super) fn find(&self, paste: &Paste) -> Option<usize> {
        if !self.with.is_empty() && paste.find_word(self.with).is_none() {
            return None;
        }
        match self.place {
            Place::Word => paste.find_word(self.text),
            Place::End => paste.find_end(self.text),
            Place::Whole => (paste.text().trim() == self.text).then_some(0),
        }
    }

    /// What decides between patterns that all match.
    pub(super) const fn weight(&self) -> (Rank, usize) {
        (self.rank, self.text.len() + self.with.len())
    }
}
