//! Incidents: one row each, with what lists sort and filter by beside the whole as JSON.

use jiff::Timestamp;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};
use whydown_core::incident::Incident;

use super::{PAGE_MAX, Store, StoreError, count, to_ms, unreadable};

/// Which incidents to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IncidentFilter {
    /// Only those that have not ended.
    pub open_only: bool,
    /// Only this monitor's.
    pub monitor: Option<String>,
}

pub(super) async fn write(
    tx: &mut SqliteConnection,
    monitor: i64,
    incident: &Incident,
    store: &Store,
) -> Result<(), StoreError> {
    let body = serde_json::to_string(incident).map_err(unreadable("an incident"))?;
    sqlx::query(
        "INSERT INTO incidents (id, monitor_id, started_ms, resolved_ms, opened_ms,
                                acknowledged_ms, body)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (id) DO UPDATE SET resolved_ms = excluded.resolved_ms, body = excluded.body,
                                        acknowledged_ms = excluded.acknowledged_ms",
    )
    .bind(&incident.id)
    .bind(monitor)
    .bind(to_ms(incident.started_at))
    .bind(incident.resolved_at.map(to_ms))
    .bind(to_ms(incident.opened_at))
    .bind(incident.acknowledged.as_ref().map(|taken| to_ms(taken.at)))
    .bind(body)
    .execute(tx)
    .await
    .map_err(|error| store.explain(error))?;
    Ok(())
}

/// The monitor's name of today and the incident as it was written.
type Row = (String, String);

fn read((monitor, body): Row) -> Result<Incident, StoreError> {
    let mut incident: Incident = serde_json::from_str(&body).map_err(unreadable("an incident"))?;
    incident.monitor = monitor;
    Ok(incident)
}

impl Store {
    /// Incidents that began before `before`, newest first; at most [`PAGE_MAX`].
    ///
    /// # Errors
    /// A failed statement.
    pub async fn incidents(
        &self,
        filter: &IncidentFilter,
        before: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<Incident>, StoreError> {
        let mut query = QueryBuilder::<Sqlite>::new(
            "SELECT monitors.name, incidents.body FROM incidents
             JOIN monitors ON monitors.id = incidents.monitor_id WHERE incidents.started_ms < ",
        );
        query.push_bind(before.map_or(i64::MAX, to_ms));
        if filter.open_only {
            query.push(" AND incidents.resolved_ms IS NULL");
        }
        if let Some(monitor) = &filter.monitor {
            let Some(id) = self.names().monitor(monitor) else { return Ok(Vec::new()) };
            query.push(" AND incidents.monitor_id = ").push_bind(id);
        }
        query.push(" ORDER BY incidents.started_ms DESC, incidents.id LIMIT ");
        query.push_bind(count(limit.clamp(1, PAGE_MAX)));
        let rows: Vec<Row> = query
            .build_query_as()
            .fetch_all(self.readers())
            .await
            .map_err(|error| self.explain(error))?;
        rows.into_iter().map(read).collect()
    }

    /// One incident.
    ///
    /// # Errors
    /// A failed statement.
    pub async fn incident(&self, id: &str) -> Result<Option<Incident>, StoreError> {
        let row: Option<Row> = sqlx::query_as(
            "SELECT monitors.name, incidents.body FROM incidents
             JOIN monitors ON monitors.id = incidents.monitor_id WHERE incidents.id = $1",
        )
        .bind(id)
        .fetch_optional(self.readers())
        .await
        .map_err(|error| self.explain(error))?;
        row.map(read).transpose()
    }
}
