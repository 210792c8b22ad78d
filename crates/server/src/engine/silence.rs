//! Locations that fall silent, are heard again, or are gone: what that means for their monitors,
//! and who is told.

use jiff::Timestamp;
use whydown_core::incident::Input;

use super::Engine;
use crate::fleet::NO_DATA_AFTER;

impl Engine {
    /// A location has no probe: its monitors have no data from there.
    pub(super) fn silent(&mut self, location: &str, had_probe: bool, heard_at: Option<Timestamp>) {
        let now = self.shared.clock.now();
        self.without(location, now, |location| Input::Silent { location });
        if had_probe {
            // After a start of the server nobody was there to miss it before.
            let missed = now.checked_sub(NO_DATA_AFTER).unwrap_or(now);
            let since = heard_at.map_or(missed, |at| at.min(missed));
            self.round(now, |alerting, view| alerting.absent(view, location, (since, missed)));
        }
        self.end_round(now);
    }

    /// A location has a probe, for the first time or again.
    pub(super) fn present(&mut self, location: &str) {
        let now = self.shared.clock.now();
        self.round(now, |alerting, view| alerting.present(view, location));
        self.end_round(now);
    }

    /// A location does not exist any more.
    pub(super) fn gone(&mut self, location: &str) {
        let now = self.shared.clock.now();
        self.without(location, now, |location| Input::Leave { location });
        self.round(now, |alerting, view| alerting.present(view, location));
        self.end_round(now);
    }

    /// All monitors that were checked from a location go on without it.
    fn without(&mut self, location: &str, now: Timestamp, input: impl Fn(String) -> Input) {
        self.inquiries.gone(location);
        let roster = self.roster();
        for entry in roster.entries.iter() {
            let name = &entry.monitor.name;
            let known = self.standings.get(name).is_some_and(|s| s.places.contains_key(location));
            if known {
                self.advance(&entry.monitor, &input(location.to_owned()), now);
            }
        }
    }
}
