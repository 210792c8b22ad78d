//! Wall-clock time of people: zones, days, hours, and windows that come once or again and again.
//! Daylight saving is jiff's: a time that a zone skips begins an hour later, one that it repeats
//! begins at its first coming; lengths are real hours.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;
use std::time::Duration;

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp, ToSpan as _};

/// Days looked ahead for the next beginning of something that recurs.
const AHEAD_MAX_DAYS: i32 = 400;
/// Times that a window is listed at most.
const SPANS_MAX: usize = 1_000;

/// The time zones that come with the program: the same on every machine.
fn zones() -> &'static TimeZoneDatabase {
    static ZONES: OnceLock<TimeZoneDatabase> = OnceLock::new();
    ZONES.get_or_init(TimeZoneDatabase::bundled)
}

/// A time zone of the IANA database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(TimeZone);

/// A text that names no time zone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no time zone; write for example Europe/Berlin, America/New_York or UTC")]
pub struct NoZone(pub String);

impl Default for Zone {
    fn default() -> Self {
        Self(TimeZone::UTC)
    }
}

impl FromStr for Zone {
    type Err = NoZone;

    fn from_str(text: &str) -> Result<Self, NoZone> {
        if text == "UTC" {
            return Ok(Self::default());
        }
        zones().get(text).map(Self).map_err(|_| NoZone(text.to_owned()))
    }
}

impl Zone {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// The names of all.
    #[must_use]
    pub fn names() -> Vec<String> {
        zones().available().map(|name| name.as_str().to_owned()).collect()
    }

    /// What clocks on the wall show.
    #[must_use]
    pub fn wall(&self, at: Timestamp) -> DateTime {
        self.0.to_datetime(at)
    }

    /// When they show it (for the first time; an hour later when they skip it).
    #[must_use]
    pub fn instant(&self, wall: DateTime) -> Timestamp {
        let instant = self.0.to_ambiguous_timestamp(wall).compatible();
        instant.unwrap_or(Timestamp::MAX)
    }

    /// A moment for people: `2026-03-29 03:30 (Europe/Berlin)`.
    #[must_use]
    pub fn show(&self, at: Timestamp) -> String {
        let wall = self.wall(at);
        format!("{} {:02}:{:02} ({})", wall.date(), wall.hour(), wall.minute(), self.name())
    }
}

/// The words for days, Monday first.
pub const DAY_WORDS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Days of the week.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Days(u8);

impl Days {
    /// Every day.
    pub const ALL: Self = Self(0x7f);
    /// No day.
    pub const NONE: Self = Self(0);

    /// Those of both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Is this day one of them?
    #[must_use]
    pub fn contains(self, day: Weekday) -> bool {
        let bit = u32::try_from(day.to_monday_zero_offset()).unwrap_or_default();
        self.0 & (1 << bit) != 0
    }
}

impl fmt::Debug for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::ALL {
            return f.write_str("every day");
        }
        let named = DAY_WORDS.iter().enumerate().filter(|(i, _)| self.0 & (1 << i) != 0);
        f.write_str(&named.map(|(_, word)| *word).collect::<Vec<_>>().join(", "))
    }
}

/// A text that names no days.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no day of the week; write mon, tue, wed, thu, fri, sat, sun, mon-fri or daily")]
pub struct NoDays(pub String);

/// Reads a day's name, short or long.
pub(crate) fn weekday(text: &str) -> Option<Weekday> {
    let text = text.trim().to_ascii_lowercase();
    let names = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let index = DAY_WORDS.iter().zip(names).position(|(word, name)| text == *word || text == name);
    Weekday::from_monday_zero_offset(i8::try_from(index?).ok()?).ok()
}

impl FromStr for Days {
    type Err = NoDays;

    fn from_str(text: &str) -> Result<Self, NoDays> {
        let bad = || NoDays(text.to_owned());
        let mut days = Self::NONE;
        for part in text.split(',') {
            let part = part.trim();
            if matches!(part, "daily" | "every day") {
                return Ok(Self::ALL);
            }
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let first = weekday(first).ok_or_else(bad)?.to_monday_zero_offset();
            let last = weekday(last).ok_or_else(bad)?.to_monday_zero_offset();
            let mut day = first;
            loop {
                days.0 |= 1 << day;
                if day == last {
                    break;
                }
                day = (day + 1) % 7;
            }
        }
        Ok(days)
    }
}

/// Hours of some days, in a zone. Hours that end before they begin go on past midnight and belong
/// to the day on which they began.
#[derive(Clone, Debug, PartialEq)]
pub struct Hours {
    /// On which days they begin.
    pub days: Days,
    /// Beginning.
    pub from: Time,
    /// End; the beginning of the next day when it is the same as `from`.
    pub to: Time,
    /// Where.
    pub zone: Zone,
}

/// A text that names no hours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no span of hours; write for example 09:00-17:00, or 22:00-06:00 past midnight")]
pub struct NoHours(pub String);

/// Reads `09:00-17:00`; `24:00` is midnight.
///
/// # Errors
/// Anything else, naming the text.
pub fn span(text: &str) -> Result<(Time, Time), NoHours> {
    let bad = || NoHours(text.to_owned());
    let (from, to) = text.split_once('-').ok_or_else(bad)?;
    Ok((time(from).ok_or_else(bad)?, time(to).ok_or_else(bad)?))
}

/// Reads `09:00`; `24:00` is midnight.
#[must_use]
pub fn time(text: &str) -> Option<Time> {
    let (hour, minute) = text.trim().split_once(':')?;
    let digits = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(hour) || !digits(minute) {
        return None;
    }
    match (hour.parse().ok()?, minute.parse().ok()?) {
        (24, 0) => Some(Time::midnight()),
        (hour, minute) => Time::new(hour, minute, 0, 0).ok(),
    }
}

impl Hours {
    /// Is `at` within them?
    #[must_use]
    pub fn contain(&self, at: Timestamp) -> bool {
        let wall = self.zone.wall(at);
        let (today, now) = (wall.weekday(), wall.time());
        if self.from < self.to {
            return self.days.contains(today) && (self.from..self.to).contains(&now);
        }
        (self.days.contains(today) && now >= self.from)
            || (self.days.contains(today.previous()) && now < self.to)
    }

    /// When they begin next, after `at`.
    #[must_use]
    pub fn next(&self, at: Timestamp) -> Option<Timestamp> {
        let today = self.zone.wall(at).date();
        (0..=8).find_map(|ahead| {
            let date = today.checked_add(ahead.days()).ok()?;
            let begins = self.zone.instant(date.to_datetime(self.from));
            (self.days.contains(date.weekday()) && begins > at).then_some(begins)
        })
    }
}

/// When a window is open.
#[derive(Clone, Debug, PartialEq)]
pub enum When {
    /// Once.
    Once {
        /// From then.
        from: Timestamp,
        /// Until then.
        to: Timestamp,
    },
    /// Again and again.
    Every {
        /// On which days.
        on: Recurrence,
        /// At what time it opens.
        at: Time,
        /// For how long.
        lasts: Duration,
        /// Where.
        zone: Zone,
    },
}

/// On which days something recurs.
#[derive(Clone, Debug, PartialEq)]
pub enum Recurrence {
    /// On days of the week.
    Weekly(Days),
    /// On days of the month.
    Monthly(Vec<MonthDay>),
}

/// A day of each month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MonthDay {
    /// The 1st to 31st; months without that day are left out.
    Day(i8),
    /// The last one.
    Last,
    /// The first to fifth such weekday; -1 is the last.
    Nth(i8, Weekday),
}

/// A text that names no day of a month.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no day of a month; write 1 to 31, last, \"first sun\" or \"last fri\"")]
pub struct NoMonthDay(pub String);

impl FromStr for MonthDay {
    type Err = NoMonthDay;

    fn from_str(text: &str) -> Result<Self, NoMonthDay> {
        let bad = || NoMonthDay(text.to_owned());
        if text == "last" {
            return Ok(Self::Last);
        }
        if let Ok(day) = text.parse() {
            return if (1..=31).contains(&day) { Ok(Self::Day(day)) } else { Err(bad()) };
        }
        let (which, day) = text.split_once(' ').ok_or_else(bad)?;
        let nth = match which {
            "last" => -1,
            _ => {
                let words = ["first", "second", "third", "fourth", "fifth"];
                let index = words.iter().position(|word| *word == which).ok_or_else(bad)?;
                i8::try_from(index + 1).map_err(|_| bad())?
            }
        };
        Ok(Self::Nth(nth, weekday(day).ok_or_else(bad)?))
    }
}

impl MonthDay {
    fn is(self, date: Date) -> bool {
        match self {
            Self::Day(day) => date.day() == day,
            Self::Last => date.day() == date.days_in_month(),
            Self::Nth(nth, day) => {
                date.nth_weekday_of_month(nth, day).is_ok_and(|found| found == date)
            }
        }
    }
}

impl Recurrence {
    fn has(&self, date: Date) -> bool {
        match self {
            Self::Weekly(days) => days.contains(date.weekday()),
            Self::Monthly(days) => days.iter().any(|day| day.is(date)),
        }
    }
}

impl When {
    /// Is it open, and until when?
    #[must_use]
    pub fn open(&self, at: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Once { from, to } => (*from <= at && at < *to).then_some(*to),
            Self::Every { lasts, .. } => {
                let from = at.checked_sub(*lasts).unwrap_or(Timestamp::MIN);
                let open = |(from, to): &(Timestamp, Timestamp)| *from <= at && at < *to;
                self.spans(from, at).into_iter().filter(open).map(|(_, to)| to).max()
            }
        }
    }

    /// The next time that it opens, after `at`.
    #[must_use]
    pub fn next(&self, at: Timestamp) -> Option<(Timestamp, Timestamp)> {
        match self {
            Self::Once { from, to } => (*from > at).then_some((*from, *to)),
            Self::Every { zone, .. } => {
                let today = zone.wall(at).date();
                (0..AHEAD_MAX_DAYS).find_map(|ahead| {
                    let date = today.checked_add(ahead.days()).ok()?;
                    self.on_date(date).filter(|(from, _)| *from > at)
                })
            }
        }
    }

    /// Every time that it is open at some moment of `from..=to`.
    #[must_use]
    pub fn spans(&self, from: Timestamp, to: Timestamp) -> Vec<(Timestamp, Timestamp)> {
        let (zone, lasts) = match self {
            Self::Once { from: opens, to: closes } => {
                let within = *opens <= to && from < *closes;
                return if within { vec![(*opens, *closes)] } else { Vec::new() };
            }
            Self::Every { zone, lasts, .. } => (zone, *lasts),
        };
        // A day more on each side: zones are up to 14 hours from UTC, and days have 23 to 25.
        let lasts = SignedDuration::try_from(lasts).unwrap_or(SignedDuration::MAX);
        let back = lasts.saturating_add(SignedDuration::from_hours(26));
        let first = zone.wall(from.checked_sub(back).unwrap_or(Timestamp::MIN)).date();
        let last = zone.wall(to).date();
        let mut found = Vec::new();
        let mut date = first;
        while date <= last && found.len() < SPANS_MAX {
            found.extend(
                self.on_date(date).filter(|(opens, closes)| *opens <= to && from < *closes),
            );
            let Ok(next) = date.tomorrow() else { break };
            date = next;
        }
        found
    }

    fn on_date(&self, date: Date) -> Option<(Timestamp, Timestamp)> {
        let Self::Every { on, at, lasts, zone } = self else { return None };
        if !on.has(date) {
            return None;
        }
        let from = zone.instant(date.to_datetime(*at));
        Some((from, from.checked_add(*lasts).unwrap_or(Timestamp::MAX)))
    }
}
