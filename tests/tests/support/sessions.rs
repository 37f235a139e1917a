//! Sessions on the source, and the rows that they read.

use std::collections::HashMap;

use exports_domain::{Column, MessageFilter, PgTimestamp};
use exports_source::{
    Decoder, EndpointUrls, Error, SnapshotId, Source, SourceRows, SourceSession, TimeSlice,
    WorkingTime,
};
use exports_tests::TIMEOUT;
use uuid::Uuid;

use super::{filter, project};

/// A decoded row. Times in microseconds since PostgreSQL's epoch.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) id: Option<Uuid>,
    pub(crate) endpoint_id: Option<Uuid>,
    pub(crate) status: Option<String>,
    pub(crate) attempt_count: Option<i32>,
    pub(crate) created_at: Option<i64>,
    pub(crate) delivered_at: Option<i64>,
    pub(crate) next_attempt_at: Option<i64>,
    pub(crate) response_status: Option<i32>,
    pub(crate) response_latency_ms: Option<i32>,
    pub(crate) total_delivery_ms: Option<i32>,
    pub(crate) last_error: Option<String>,
    pub(crate) url: Option<String>,
}

/// All rows of a complete COPY.
pub(crate) fn decode(mut bytes: &[u8]) -> Vec<Row> {
    let mut decoder = Decoder::default();
    let mut rows = Vec::new();
    let micros = |time: Option<PgTimestamp>| time.map(|time| time.0);
    while let Some(row) = decoder.next_row(&mut bytes).unwrap() {
        rows.push(Row {
            id: row.id.map(Uuid::from_bytes),
            endpoint_id: row.endpoint_id.map(Uuid::from_bytes),
            status: row.status.map(str::to_owned),
            attempt_count: row.attempt_count,
            created_at: micros(row.created_at),
            delivered_at: micros(row.delivered_at),
            next_attempt_at: micros(row.next_attempt_at),
            response_status: row.response_status,
            response_latency_ms: row.response_latency_ms,
            total_delivery_ms: row.total_delivery_ms,
            last_error: row.last_error.map(str::to_owned),
            url: row.url.map(str::to_owned),
        });
    }
    assert!(decoder.is_finished(), "the stream is incomplete");
    assert!(bytes.is_empty(), "bytes after the end of the stream");
    rows
}

/// A new session, and its snapshot.
pub(crate) async fn begin(source: &Source) -> (SourceSession, SnapshotId) {
    let mut session = source.open_session().await.unwrap();
    session.begin(&project()).await.unwrap();
    let snapshot = session.export_snapshot().await.unwrap();
    (session, snapshot)
}

/// Another session that joins the snapshot.
pub(crate) async fn join(source: &Source, snapshot: &SnapshotId) -> Result<SourceSession, Error> {
    let mut session = source.open_session().await?;
    session.join(&project(), snapshot).await?;
    Ok(session)
}

/// URLs are preloaded, so the rows contain none.
pub(crate) fn known_urls() -> EndpointUrls {
    EndpointUrls::All(HashMap::new())
}

/// The rows of a session.
pub(crate) async fn read(
    session: &mut SourceSession,
    filter: &MessageFilter,
    urls: &EndpointUrls,
) -> Vec<Row> {
    try_read(session, filter, urls).await.unwrap()
}

pub(crate) async fn try_read(
    session: &mut SourceSession,
    filter: &MessageFilter,
    urls: &EndpointUrls,
) -> Result<Vec<Row>, Error> {
    let slice = TimeSlice::whole(&filter.range);
    let mut rows = session
        .rows(
            filter,
            slice,
            Column::all_of(filter.direction),
            urls.column(),
            &WorkingTime::default(),
        )
        .await?;
    let mut bytes = Vec::new();
    while rows.read(&mut bytes, usize::MAX).await? {}
    assert!(
        !rows.read(&mut bytes, usize::MAX).await?,
        "no rows follow the end"
    );
    Ok(decode(&bytes))
}

/// Starts to read all rows of a session.
pub(crate) async fn start_reading(session: &mut SourceSession) -> SourceRows<'_> {
    let slice = TimeSlice::whole(&filter().range);
    let url = known_urls().column();
    let mut rows = session
        .rows(
            &filter(),
            slice,
            Column::all_of(filter().direction),
            url,
            &WorkingTime::default(),
        )
        .await
        .unwrap();
    assert!(rows.read(&mut Vec::new(), 1).await.unwrap());
    rows
}

/// The rows of a filter of [`PROJECT`](super::PROJECT), in a new session.
pub(crate) async fn read_all(
    source: &Source,
    filter: &MessageFilter,
    urls: &EndpointUrls,
) -> Vec<Row> {
    let mut session = source.open_session().await.unwrap();
    session.begin(&project()).await.unwrap();
    let rows = read(&mut session, filter, urls).await;
    session.finish().await.unwrap();
    rows
}

/// Abandons sessions in the middle of this many rows of [`PROJECT`](super::PROJECT).
pub(crate) async fn leave_in_the_middle(source: &Source, rows: usize) {
    for reads in [0, 1, 2, 100] {
        let mut session = source.open_session().await.unwrap();
        session.begin(&project()).await.unwrap();
        let slice = TimeSlice::whole(&filter().range);
        let url = known_urls().column();
        let mut copy = session
            .rows(
                &filter(),
                slice,
                Column::all_of(filter().direction),
                url,
                &WorkingTime::default(),
            )
            .await
            .unwrap();
        for _ in 0..reads {
            assert!(copy.read(&mut Vec::new(), 1000).await.unwrap());
        }
        assert_refused_or_in_step(session, rows).await;
    }
}

/// Finishes a session that was abandoned in the middle. `finish` must not hang, and a session that it returns must work.
pub(crate) async fn assert_refused_or_in_step(session: SourceSession, rows: usize) {
    let finished = tokio::time::timeout(TIMEOUT, session.finish()).await;
    if let Ok(mut session) = finished.expect("an answer") {
        session.begin(&project()).await.unwrap();
        let read = read(&mut session, &filter(), &known_urls()).await;
        assert_eq!(read.len(), rows);
        session.finish().await.unwrap();
    }
}
