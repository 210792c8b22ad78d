//! How often monitors fail, how soon somebody takes it, how soon it is over.

use std::time::Duration;

use jiff::Timestamp;

use super::{Store, StoreError, to_ms};

/// Figures of a span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reliability {
    /// Incidents that began in it.
    pub incidents: u64,
    /// Those that somebody took.
    pub acknowledged: u64,
    /// Those that are over.
    pub resolved: u64,
    /// From the confirmed failure to whoever took it, on average (MTTA).
    pub to_acknowledge: Option<Duration>,
    /// From the first failing check to the first fine one, on average (MTTR).
    pub to_resolve: Option<Duration>,
    /// All of them together, those that are not over until now.
    pub failing: Duration,
}

type Row = (i64, i64, i64, i64, i64, i64);

impl Store {
    /// Figures of the incidents that began in `from..to`, of one monitor or of all.
    ///
    /// # Errors
    /// A failed statement.
    pub async fn reliability(
        &self,
        monitor: Option<&str>,
        (from, to): (Timestamp, Timestamp),
        now: Timestamp,
    ) -> Result<Reliability, StoreError> {
        // A monitor without a number has had no incident.
        let id = monitor.map(|name| self.names().monitor(name).unwrap_or(-1));
        let row: Row = sqlx::query_as(
            "SELECT COUNT(*), COUNT(acknowledged_ms), COUNT(resolved_ms),
                    CAST(COALESCE(SUM(acknowledged_ms - opened_ms), 0) AS BIGINT),
                    CAST(COALESCE(SUM(resolved_ms - started_ms), 0) AS BIGINT),
                    CAST(COALESCE(SUM(COALESCE(resolved_ms, $3) - started_ms), 0) AS BIGINT)
             FROM incidents
             WHERE started_ms >= $1 AND started_ms < $2 AND ($4 IS NULL OR monitor_id = $4)",
        )
        .bind(to_ms(from))
        .bind(to_ms(to))
        .bind(to_ms(now))
        .bind(id)
        .fetch_one(self.readers())
        .await
        .map_err(|error| self.explain(error))?;
        let count = |number: i64| u64::try_from(number).unwrap_or_default();
        let (incidents, acknowledged, resolved) = (count(row.0), count(row.1), count(row.2));
        let span = |ms: i64| Duration::from_millis(count(ms));
        let mean = |sum: i64, of: u64| {
            let of = u32::try_from(of).unwrap_or(u32::MAX);
            (of > 0).then(|| span(sum) / of)
        };
        Ok(Reliability {
            incidents,
            acknowledged,
            resolved,
            to_acknowledge: mean(row.3, acknowledged),
            to_resolve: mean(row.4, resolved),
            failing: span(row.5),
        })
    }
}
