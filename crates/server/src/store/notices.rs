//! The outbox's rows: written with the incident that they tell of, claimed by lease, settled when
//! delivered or given up.
//!
//! Of one incident and channel only the oldest waiting notice can be claimed: opened, updated,
//! resolved arrive in that order.

use std::time::Duration;

use jiff::Timestamp;
use sqlx::{FromRow, QueryBuilder, Sqlite, SqliteConnection};
use whydown_core::notice::{Notice, NoticeBody};

use super::{Store, StoreError, count, from_ms, to_ms, unreadable};

const WAITING: i64 = 0;
const DELIVERED: i64 = 1;
const DEAD: i64 = 2;
const FOLDED: i64 = 3;
/// Most notices of one incident that are listed.
const LISTED_MAX: i64 = 1_000;

/// How one notice of an incident fares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its dedup key.
    pub key: String,
    /// The channel's name.
    pub channel: String,
    /// `incident.opened`, …
    pub event: String,
    /// When it was written.
    pub created_at: Timestamp,
    /// Where it stands.
    pub state: DeliveryState,
    /// Times it was tried.
    pub attempts: u32,
    /// When it was delivered or given up.
    pub done_at: Option<Timestamp>,
    /// When it is tried next.
    pub due_at: Option<Timestamp>,
    /// What the last failed attempt said.
    pub last_error: Option<String>,
}

/// Where a notice stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// To be tried, now or again.
    Waiting,
    /// The receiver took it.
    Delivered,
    /// Given up: too many attempts, or too old.
    Dead,
    /// It was over before this could be delivered: the message that says so says it all.
    Folded,
}

/// A notice that is ours to deliver until the lease ends.
#[derive(Clone, Debug, PartialEq)]
pub struct Claimed {
    /// Its place in the outbox.
    pub seq: i64,
    /// What to deliver.
    pub notice: Notice,
    /// When it was written.
    pub created_at: Timestamp,
    /// Failed attempts so far.
    pub attempts: u32,
}

/// A channel with waiting notices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Its name.
    pub channel: String,
    /// Some are due, though perhaps claimed or behind an older one of their incident.
    pub ready: bool,
    /// When the next is that isn't due yet.
    pub next: Option<Timestamp>,
}

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver took it.
    Delivered,
    /// Try again.
    Retry {
        /// When.
        due: Timestamp,
        /// What went wrong.
        error: String,
    },
    /// Given up.
    Dead {
        /// What went wrong last.
        error: String,
    },
}

#[derive(FromRow)]
struct ClaimedRow {
    seq: i64,
    key: String,
    channel: String,
    body: String,
    created_ms: i64,
    attempts: i64,
}

#[derive(FromRow)]
struct DeliveryRow {
    key: String,
    channel: String,
    event: String,
    created_ms: i64,
    state: i64,
    attempts: i64,
    done_ms: Option<i64>,
    due_ms: i64,
    last_error: Option<String>,
}

/// Writes notices; one whose key is there already is not written again.
pub(super) async fn add(
    tx: &mut SqliteConnection,
    notices: &[Notice],
    at: Timestamp,
    store: &Store,
) -> Result<(), StoreError> {
    for notice in notices {
        let body = serde_json::to_string(&notice.body).map_err(unreadable("a notice"))?;
        sqlx::query(
            "INSERT INTO notices (seq, key, incident, channel, event, body, created_ms, state,
                                  due_ms, attempts)
             SELECT COALESCE(MAX(seq), 0) + 1, $1, $2, $3, $4, $5, $6, $7, $6, 0
             FROM notices WHERE TRUE
             ON CONFLICT (key) DO NOTHING",
        )
        .bind(&notice.key)
        .bind(&notice.body.incident.id)
        .bind(&notice.channel)
        .bind(notice.body.event.name())
        .bind(body)
        .bind(to_ms(at))
        .bind(WAITING)
        .execute(&mut *tx)
        .await
        .map_err(|error| store.explain(error))?;
    }
    Ok(())
}

impl Store {
    /// Claims up to `limit` due notices of a channel, the oldest first.
    ///
    /// # Errors
    /// A failed statement.
    pub async fn claim(
        &self,
        channel: &str,
        limit: usize,
        now: Timestamp,
        lease: Duration,
    ) -> Result<Vec<Claimed>, StoreError> {
        let until = now.checked_add(lease).unwrap_or(Timestamp::MAX);
        let mut rows: Vec<ClaimedRow> = sqlx::query_as(
            "UPDATE notices SET claimed_until_ms = $1
             WHERE seq IN (
                 SELECT due.seq FROM notices AS due
                 WHERE due.state = 0 AND due.channel = $2 AND due.due_ms <= $3
                   AND (due.claimed_until_ms IS NULL OR due.claimed_until_ms <= $3)
                   AND NOT EXISTS (
                       SELECT 1 FROM notices AS older
                       WHERE older.state = 0 AND older.incident = due.incident
                         AND older.channel = due.channel AND older.seq < due.seq)
                 ORDER BY due.due_ms, due.seq LIMIT $4)
             RETURNING seq, key, channel, body, created_ms, attempts",
        )
        .bind(to_ms(until))
        .bind(channel)
        .bind(to_ms(now))
        .bind(count(limit))
        .fetch_all(self.writer())
        .await
        .map_err(|error| self.explain(error))?;
        rows.sort_by_key(|row| row.seq);
        let claimed: Result<Vec<Claimed>, StoreError> = rows.into_iter().map(claimed).collect();
        self.fold(channel, claimed?, (now, until)).await
    }

    /// Of incidents that have ended meanwhile only the end is told: it takes the place of what
    /// was claimed.
    async fn fold(
        &self,
        channel: &str,
        mut claimed: Vec<Claimed>,
        (now, until): (Timestamp, Timestamp),
    ) -> Result<Vec<Claimed>, StoreError> {
        let explain = |error| self.explain(error);
        if claimed.iter().all(|claimed| claimed.notice.body.event.is_end()) {
            return Ok(claimed);
        }
        let mut over = QueryBuilder::<Sqlite>::new(
            "SELECT seq, key, channel, body, created_ms, attempts FROM notices
             WHERE state = 0 AND event IN ('incident.resolved', 'location.back') AND channel = ",
        );
        over.push_bind(channel).push(" AND incident IN (");
        let mut incidents = over.separated(", ");
        for claimed in &claimed {
            incidents.push_bind(&claimed.notice.body.incident.id);
        }
        over.push(")");
        let over: Vec<ClaimedRow> =
            over.build_query_as().fetch_all(self.readers()).await.map_err(explain)?;
        for row in over {
            let mut end = self::claimed(row)?;
            let incident = end.notice.body.incident.id.clone();
            let of = |claimed: &Claimed| {
                claimed.notice.body.incident.id == incident && claimed.seq < end.seq
            };
            let Some(at) = claimed.iter().position(of) else { continue };
            let text = "The message that it had begun could not be delivered before.";
            end.notice.body.notes.push(text.to_owned());
            let body = serde_json::to_string(&end.notice.body).map_err(unreadable("a notice"))?;
            let mut tx = self.begin().await?;
            sqlx::query(
                "UPDATE notices SET state = $4, done_ms = $5, claimed_until_ms = NULL
                 WHERE state = 0 AND incident = $1 AND channel = $2 AND seq < $3",
            )
            .bind(&incident)
            .bind(channel)
            .bind(end.seq)
            .bind(FOLDED)
            .bind(to_ms(now))
            .execute(&mut *tx)
            .await
            .map_err(explain)?;
            sqlx::query("UPDATE notices SET body = $2, claimed_until_ms = $3 WHERE seq = $1")
                .bind(end.seq)
                .bind(body)
                .bind(to_ms(until))
                .execute(&mut *tx)
                .await
                .map_err(explain)?;
            tx.commit().await.map_err(explain)?;
            claimed[at] = end;
        }
        Ok(claimed)
    }

    /// Channels with waiting notices.
    ///
    /// # Errors
    /// A failed statement.
    pub async fn due(&self, now: Timestamp) -> Result<Vec<Due>, StoreError> {
        let rows: Vec<(String, i64, Option<i64>)> = sqlx::query_as(
            "SELECT channel, MIN(due_ms), MIN(CASE WHEN due_ms > $1 THEN due_ms END)
             FROM notices WHERE state = 0 GROUP BY channel",
        )
        .bind(to_ms(now))
        .fetch_all(self.readers())
        .await
        .map_err(|error| self.explain(error))?;
        let due = |(channel, first, next): (String, i64, Option<i64>)| Due {
            channel,
            ready: first <= to_ms(now),
            next: next.map(from_ms),
        };
        Ok(rows.into_iter().map(due).collect())
    }

    /// Writes down what became of attempts, and what other channels are told because of them, in
    /// one transaction.
    ///
    /// # Errors
    /// A failed statement; then nothing is written.
    pub async fn settle(
        &self,
        outcomes: &[(i64, Outcome)],
        more: &[Notice],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let explain = |error| self.explain(error);
        let mut tx = self.begin().await?;
        for (seq, outcome) in outcomes {
            let (state, due, done, error) = match outcome {
                Outcome::Delivered => (DELIVERED, now, Some(now), None),
                Outcome::Retry { due, error } => (WAITING, *due, None, Some(error)),
                Outcome::Dead { error } => (DEAD, now, Some(now), Some(error)),
            };
            sqlx::query(
                "UPDATE notices SET state = $2, due_ms = $3, done_ms = $4, last_error = $5,
                                    claimed_until_ms = NULL, attempts = attempts + 1
                 WHERE seq = $1",
            )
            .bind(seq)
            .bind(state)
            .bind(to_ms(due))
            .bind(done.map(to_ms))
            .bind(error)
            .execute(&mut *tx)
            .await
            .map_err(explain)?;
        }
        add(&mut tx, more, now, self).await?;
        tx.commit().await.map_err(explain)
    }

    /// Ends every lease: whoever held one is dead, as one server at a time uses this database.
    ///
    /// # Errors
    /// A failed statement.
    pub async fn release_leases(&self) -> Result<(), StoreError> {
        sqlx::query("UPDATE notices SET claimed_until_ms = NULL WHERE state = 0")
            .execute(self.writer())
            .await
            .map_err(|error| self.explain(error))?;
        Ok(())
    }

    /// The notices of an incident, oldest first.
    ///
    /// # Errors
    /// A failed statement.
    pub async fn notices_of(&self, incident: &str) -> Result<Vec<Delivery>, StoreError> {
        let rows: Vec<DeliveryRow> = sqlx::query_as(
            "SELECT key, channel, event, created_ms, state, attempts, done_ms, due_ms, last_error
             FROM notices WHERE incident = $1 ORDER BY seq LIMIT $2",
        )
        .bind(incident)
        .bind(LISTED_MAX)
        .fetch_all(self.readers())
        .await
        .map_err(|error| self.explain(error))?;
        Ok(rows.into_iter().map(delivery).collect())
    }

    /// The newest notice of an incident or a storm.
    ///
    /// # Errors
    /// A failed statement, an unreadable notice.
    pub async fn last_notice_of(&self, incident: &str) -> Result<Option<NoticeBody>, StoreError> {
        let body: Option<String> = sqlx::query_scalar(
            "SELECT body FROM notices WHERE incident = $1 ORDER BY seq DESC LIMIT 1",
        )
        .bind(incident)
        .fetch_optional(self.readers())
        .await
        .map_err(|error| self.explain(error))?;
        body.map(|body| serde_json::from_str(&body).map_err(unreadable("a notice"))).transpose()
    }

    /// How many notices wait, and how many were given up.
    ///
    /// # Errors
    /// A failed statement.
    pub async fn outbox_counts(&self) -> Result<(u64, u64), StoreError> {
        let (waiting, dead): (i64, i64) = sqlx::query_as(
            "SELECT (SELECT COUNT(*) FROM notices WHERE state = 0),
                    (SELECT COUNT(*) FROM notices WHERE state = 2)",
        )
        .fetch_one(self.readers())
        .await
        .map_err(|error| self.explain(error))?;
        Ok((u64::try_from(waiting).unwrap_or_default(), u64::try_from(dead).unwrap_or_default()))
    }
}

fn claimed(row: ClaimedRow) -> Result<Claimed, StoreError> {
    let body = serde_json::from_str(&row.body).map_err(unreadable("a notice"))?;
    Ok(Claimed {
        seq: row.seq,
        notice: Notice { key: row.key, channel: row.channel, body },
        created_at: from_ms(row.created_ms),
        attempts: u32::try_from(row.attempts).unwrap_or(u32::MAX),
    })
}

fn delivery(row: DeliveryRow) -> Delivery {
    let state = match row.state {
        WAITING => DeliveryState::Waiting,
        DELIVERED => DeliveryState::Delivered,
        FOLDED => DeliveryState::Folded,
        _ => DeliveryState::Dead,
    };
    Delivery {
        key: row.key,
        channel: row.channel,
        event: row.event,
        created_at: from_ms(row.created_ms),
        state,
        attempts: u32::try_from(row.attempts).unwrap_or(u32::MAX),
        done_at: row.done_ms.map(from_ms),
        due_at: (state == DeliveryState::Waiting).then(|| from_ms(row.due_ms)),
        last_error: row.last_error,
    }
}
