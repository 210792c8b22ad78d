//! Counts per monitor and span of time, kept up to date with every batch, so that ninety days of
//! many monitors are answered from a few thousand small rows.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use jiff::Timestamp;
use sqlx::{FromRow, QueryBuilder, Sqlite, SqliteConnection};
use whydown_core::observation::{Observation, State};

use super::batch::Packed;
use super::{Store, StoreError, from_ms, to_ms};

/// The spans counted, the finest first.
pub(super) const SPANS_MS: [i64; 3] = [300_000, HOUR_MS, 86_400_000];
/// One hour.
pub(super) const HOUR_MS: i64 = 3_600_000;
/// Most parts of one history.
const BUCKETS_MAX: usize = 2_000;
/// Rows per statement; nine values each, SQLite takes 32,766.
const ROWS_PER_STATEMENT: usize = 500;

/// What happened in one part of a history.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// Its beginning.
    pub start: Timestamp,
    /// Observations by state.
    pub up: u64,
    /// Observations by state.
    pub degraded: u64,
    /// Observations by state.
    pub down: u64,
    /// Observations by state.
    pub inconclusive: u64,
    /// Mean time of the checks that worked; `None` when none did.
    pub mean_ms: Option<f64>,
    /// Longest time of the checks that worked.
    pub max_ms: Option<f64>,
}

#[derive(Clone, Copy, Debug, Default, FromRow)]
struct Counts {
    up: i64,
    degraded: i64,
    down: i64,
    inconclusive: i64,
    total_us: i64,
    max_us: i64,
}

impl Counts {
    fn see(&mut self, observation: &Observation) {
        let us = i64::try_from(observation.elapsed.as_micros()).unwrap_or(i64::MAX);
        let worked = match observation.state {
            State::Up => &mut self.up,
            State::Degraded => &mut self.degraded,
            State::Down => {
                self.down += 1;
                return;
            }
            State::Inconclusive => {
                self.inconclusive += 1;
                return;
            }
        };
        *worked += 1;
        self.total_us = self.total_us.saturating_add(us);
        self.max_us = self.max_us.max(us);
    }

    fn add(&mut self, other: &Self) {
        self.up += other.up;
        self.degraded += other.degraded;
        self.down += other.down;
        self.inconclusive += other.inconclusive;
        self.total_us = self.total_us.saturating_add(other.total_us);
        self.max_us = self.max_us.max(other.max_us);
    }

    fn bucket(&self, start_ms: i64) -> Bucket {
        let number = |value: i64| u64::try_from(value).unwrap_or_default();
        let worked = self.up + self.degraded;
        #[expect(clippy::cast_precision_loss, reason = "exact up to 285 years of microseconds")]
        let ms = |us: i64| us as f64 / 1_000.0;
        #[expect(clippy::cast_precision_loss, reason = "a count of observations")]
        let mean = (worked > 0).then(|| ms(self.total_us) / worked as f64);
        Bucket {
            start: from_ms(start_ms),
            up: number(self.up),
            degraded: number(self.degraded),
            down: number(self.down),
            inconclusive: number(self.inconclusive),
            mean_ms: mean,
            max_ms: (worked > 0).then(|| ms(self.max_us)),
        }
    }
}

#[derive(FromRow)]
struct Row {
    monitor_id: i64,
    start_ms: i64,
    #[sqlx(flatten)]
    counts: Counts,
}

/// Enters a batch into every span.
pub(super) async fn add(
    tx: &mut SqliteConnection,
    rows: &[Packed<&Observation>],
) -> Result<(), sqlx::Error> {
    let mut sums: BTreeMap<(i64, i64, i64), Counts> = BTreeMap::new();
    for row in rows {
        let at = to_ms(row.observation.at);
        for span in SPANS_MS {
            let start = at - at.rem_euclid(span);
            sums.entry((row.monitor, span, start)).or_default().see(row.observation);
        }
    }
    let sums: Vec<_> = sums.into_iter().collect();
    for rows in sums.chunks(ROWS_PER_STATEMENT) {
        let mut query = QueryBuilder::<Sqlite>::new(
            "INSERT INTO rollups (monitor_id, span_ms, start_ms, up, degraded, down, \
             inconclusive, total_us, max_us) ",
        );
        query.push_values(rows, |mut row, ((monitor, span, start), counts)| {
            row.push_bind(monitor).push_bind(span).push_bind(start);
            row.push_bind(counts.up).push_bind(counts.degraded).push_bind(counts.down);
            row.push_bind(counts.inconclusive).push_bind(counts.total_us).push_bind(counts.max_us);
        });
        query.push(
            " ON CONFLICT (monitor_id, span_ms, start_ms) DO UPDATE SET
              up = rollups.up + excluded.up,
              degraded = rollups.degraded + excluded.degraded,
              down = rollups.down + excluded.down,
              inconclusive = rollups.inconclusive + excluded.inconclusive,
              total_us = rollups.total_us + excluded.total_us,
              max_us = CASE WHEN excluded.max_us > rollups.max_us
                            THEN excluded.max_us ELSE rollups.max_us END",
        );
        query.build().execute(&mut *tx).await?;
    }
    Ok(())
}

/// The parts asked for, and the span whose rows fill them.
struct Grid {
    from: i64,
    width: i64,
    buckets: usize,
    span: i64,
}

impl Grid {
    fn new(from: Timestamp, to: Timestamp, buckets: usize) -> Self {
        let buckets = buckets.clamp(1, BUCKETS_MAX);
        let (from, to) = (to_ms(from), to_ms(to));
        let width = ((to - from) / super::count(buckets)).max(1);
        // The coarsest span whose rows fill a part exactly, else the coarsest that is no longer.
        let exact = |span: &i64| width % *span == 0;
        let shorter = |span: &i64| width >= *span;
        let span = SPANS_MS.into_iter().rev().find(exact);
        let span = span.or_else(|| SPANS_MS.into_iter().rev().find(shorter)).unwrap_or(SPANS_MS[0]);
        // Parts begin where rows begin, and the last part holds `to`.
        let end = (to + span - 1).div_euclid(span) * span;
        Self { from: end - width * super::count(buckets), width, buckets, span }
    }

    fn end(&self) -> i64 {
        self.from.saturating_add(self.width.saturating_mul(super::count(self.buckets)))
    }

    fn index(&self, start_ms: i64) -> Option<usize> {
        let index = usize::try_from((start_ms - self.from) / self.width).ok()?;
        (index < self.buckets).then_some(index)
    }

    fn start(&self, index: usize) -> i64 {
        self.from.saturating_add(self.width.saturating_mul(super::count(index)))
    }
}

impl Store {
    /// What happened from `from` to `to`, in `buckets` parts of equal length, oldest first;
    /// parts without observations are there with zeros. Parts of 5 minutes, hours or (UTC) days
    /// begin at full ones: the whole then moves forward so far that `to` is inside. Parts shorter
    /// than an hour are known for the newest three days.
    ///
    /// # Errors
    /// A failed statement.
    pub async fn history(
        &self,
        monitor: &str,
        from: Timestamp,
        to: Timestamp,
        buckets: usize,
    ) -> Result<Vec<Bucket>, StoreError> {
        let mut all = self.histories(&[monitor], from, to, buckets).await?;
        Ok(all.pop().unwrap_or_default())
    }

    /// The same for many monitors with one query, in the order asked for.
    ///
    /// # Errors
    /// A failed statement.
    pub async fn histories(
        &self,
        monitors: &[&str],
        from: Timestamp,
        to: Timestamp,
        buckets: usize,
    ) -> Result<Vec<Vec<Bucket>>, StoreError> {
        let grid = Grid::new(from, to, buckets);
        let ids: Vec<Option<i64>> = {
            let names = self.names();
            monitors.iter().map(|name| names.monitor(name)).collect()
        };
        let known: Vec<i64> = ids.iter().copied().flatten().collect();
        let mut sums: HashMap<i64, Vec<Counts>> = HashMap::new();
        for known in known.chunks(10_000) {
            let rows = self.rollups(&grid, known).await.map_err(|error| self.explain(error))?;
            for row in rows {
                let Some(index) = grid.index(row.start_ms) else { continue };
                let sums = sums.entry(row.monitor_id);
                let sums = sums.or_insert_with(|| vec![Counts::default(); grid.buckets]);
                sums[index].add(&row.counts);
            }
        }
        let empty = vec![Counts::default(); grid.buckets];
        let buckets = |id: &Option<i64>| {
            let counts = id.and_then(|id| sums.get(&id)).unwrap_or(&empty);
            counts.iter().enumerate().map(|(i, counts)| counts.bucket(grid.start(i))).collect()
        };
        Ok(ids.iter().map(buckets).collect())
    }

    async fn rollups(&self, grid: &Grid, monitors: &[i64]) -> Result<Vec<Row>, sqlx::Error> {
        let mut query = QueryBuilder::<Sqlite>::new(
            "SELECT monitor_id, start_ms, up, degraded, down, inconclusive, total_us, max_us
             FROM rollups WHERE span_ms = ",
        );
        query.push_bind(grid.span).push(" AND start_ms >= ").push_bind(grid.from);
        query.push(" AND start_ms < ").push_bind(grid.end()).push(" AND monitor_id IN (");
        let mut list = query.separated(", ");
        for id in monitors {
            list.push_bind(*id);
        }
        query.push(")");
        query.build_query_as().fetch_all(self.readers()).await
    }
}

/// How long rows of a span are kept: fine ones for the newest days only.
pub(super) fn kept(span_ms: i64, history: Duration) -> Duration {
    match span_ms {
        300_000 => history.min(Duration::from_hours(24 * 3)),
        HOUR_MS => history.min(Duration::from_hours(24 * 100)),
        _ => history,
    }
}
