//! Checks the source: server, relations, columns, and the statements of an export.

use chrono::{DateTime, TimeDelta};
use exports_domain::error_line;
use exports_domain::{Direction, EndpointId, MessageFilter, MessageStatus, ProjectId, TimeRange};
use exports_postgres::ServerInfo;
use exports_source::SourceSession;
use exports_source::{Column, Error as SourceError, Source};

use super::database::describe;
use super::index;
use super::report::{Finding, Report, Verdict};
use super::values;
use crate::error::Result;

const UUID: &str = "uuid";
const TEXT: &str = "text";
const TIME: &str = "timestamp with time zone";
const INTEGER: &str = "integer";

/// The columns that exports read, with their types in `migrations/0003_source.sql`.
const ENDPOINTS: [(&str, &str); 5] = [
    ("id", UUID),
    ("project_id", TEXT),
    ("direction", TEXT),
    ("url", TEXT),
    ("created_at", TIME),
];
const MESSAGES: [(&str, &str); 13] = [
    ("id", UUID),
    ("project_id", TEXT),
    ("direction", TEXT),
    ("endpoint_id", UUID),
    ("status", TEXT),
    ("attempt_count", INTEGER),
    ("created_at", TIME),
    ("delivered_at", TIME),
    ("next_attempt_at", TIME),
    ("response_status", INTEGER),
    ("response_latency_ms", INTEGER),
    ("total_delivery_ms", INTEGER),
    ("last_error", TEXT),
];

/// Exports wait at most this long for a replica.
const MAX_LAG_S: f64 = 30.0;

pub(super) async fn check(report: &mut Report, source: &Source, is_separate: bool) -> Result<()> {
    let found = async {
        let server = source.check().await?;
        Ok::<_, SourceError>((source.server_info().await?, server))
    };
    let (info, server) = match found.await {
        Ok(found) => found,
        Err(error) => {
            let text = error_line(&error);
            let fix = "correct EXPORTS_SOURCE_DATABASE_URL, or start the database";
            return report.add("source", &Finding::fail(format!("{text}: {fix}")));
        }
    };
    if is_separate {
        report.add("source", &describe(&info, &server))?;
    }
    if let Some(finding) = replica(&info) {
        report.add("replica", &finding)?;
    }
    let session = source.open_session().await;
    let unsuitable = session
        .as_ref()
        .map(|session| session.catalogue().unsuitable_columns())
        .unwrap_or_default();
    let mut relations_ok = true;
    for (relation, expected) in [("endpoints", &ENDPOINTS[..]), ("messages", &MESSAGES[..])] {
        let finding = match source.columns(relation).await {
            Ok(found) => columns(relation, expected, &found, &unsuitable),
            Err(error) => Finding::fail(error_line(&error)),
        };
        relations_ok &= finding.verdict != Verdict::Fail;
        report.add(relation, &finding)?;
    }
    let mut session = match session {
        Ok(session) => session,
        Err(error) => {
            let text = format!("cannot open a session: {}", error_line(&error));
            return report.add("source session", &Finding::fail(text));
        }
    };
    session_findings(report, &session)?;
    let finding = match statements(&mut session).await {
        _ if !relations_ok => Finding::skip("the check of endpoints or messages failed"),
        Ok(()) => Finding::ok("the server accepts every statement of an export"),
        Err(error) => unreadable(&session, &info.role, &error),
    };
    report.add("source statements", &finding)?;
    let is_readable = finding.verdict != Verdict::Fail;
    values::check(report, &mut session, relations_ok && is_readable).await?;
    let finding = match index::check(source).await {
        Ok(finding) => finding,
        Err(_) if !is_readable => Finding::skip("messages cannot be read"),
        Err(error) => Finding::fail(format!("messages cannot be read: {}", error_line(&error))),
    };
    report.add("index", &finding)
}

/// Refused settings, sources without shared snapshots, and incomplete replication.
fn session_findings(report: &mut Report, session: &SourceSession) -> Result<()> {
    for refused in session.refused_settings() {
        let text = format!(
            "the server refuses to set {}: {}",
            refused.name, refused.loss
        );
        report.add("source setting", &Finding::warn(text))?;
    }
    if let Some(reason) = session.catalogue().single_reader_reason() {
        let text = format!(
            "{reason}: sessions and statements may see different states, so one statement reads all \
             messages of an export, and EXPORTS_READERS has no effect"
        );
        report.add("source snapshot", &Finding::warn(text))?;
    }
    if let Some(relation) = session.catalogue().initial_copies.first() {
        let text = format!(
            "the initial copy of {relation} by logical replication is not complete: exports wait for it"
        );
        report.add("source copy", &Finding::fail(text))?;
    }
    Ok(())
}

/// Lets the server plan the statements of an export with every filter.
async fn statements(session: &mut SourceSession) -> std::result::Result<(), SourceError> {
    let (Ok(project), Some(range)) = ("proj_check".parse::<ProjectId>(), some_range()) else {
        return Ok(());
    };
    session.begin(&project).await?;
    for &direction in Direction::ALL {
        for status in MessageStatus::ALL.iter().copied().map(Some).chain([None]) {
            let filter = MessageFilter {
                range,
                direction,
                status: status.into(),
                endpoint: status.map(|_| EndpointId(uuid::Uuid::nil())).into(),
            };
            session.try_statements(&filter).await?;
        }
    }
    session.commit_if_unchanged().await
}

/// Any range: the statements are only planned.
fn some_range() -> Option<TimeRange> {
    let start = DateTime::from_timestamp(0, 0)?;
    TimeRange::new(start, start.checked_add_signed(TimeDelta::days(1))?).ok()
}

/// The reason why messages cannot be read, and the fix.
fn unreadable(session: &SourceSession, role: &str, error: &SourceError) -> Finding {
    let policies = &session.catalogue().policies;
    let reason = error_line(error);
    let is_forbidden = error.sql_state().as_deref() == Some("42501");
    if is_forbidden && !policies.is_empty() {
        return Finding::fail(format!(
            "{reason}: row-level security on {} hides rows from role {role}, so exports would be incomplete. \
             Run ALTER ROLE {role} BYPASSRLS, or set EXPORTS_SOURCE_ROW_SECURITY=apply if the role is \
             meant to see only some rows",
            policies.join(", ")
        ));
    }
    Finding::fail(format!(
        "messages cannot be read: {reason}: compare the relation with migrations/0003_source.sql, and grant SELECT on it"
    ))
}

fn replica(info: &ServerInfo) -> Option<Finding> {
    let lag = info.replica_lag_s?;
    let text = format!("replay is {lag:.1} s behind the received WAL");
    Some(if lag > MAX_LAG_S {
        Finding::warn(format!(
            "{text}: exports wait up to 30 s for it and are then retried"
        ))
    } else {
        Finding::ok(text)
    })
}

/// A missing column is a failure. A column of another type is cast, so it is a warning.
fn columns(
    relation: &str,
    expected: &[(&str, &str)],
    found: &[Column],
    unsuitable: &[String],
) -> Finding {
    if found.is_empty() {
        return Finding::fail(format!(
            "relation {relation} does not exist: run 'exportctl admin migrate', or create a view with this name"
        ));
    }
    let type_of = |name: &str| found.iter().find(|column| column.name == name);
    let missing: Vec<_> = expected
        .iter()
        .filter(|(name, _)| type_of(name).is_none())
        .map(|(name, _)| *name)
        .collect();
    if !missing.is_empty() {
        return Finding::fail(format!(
            "lacks {}: add the columns of migrations/0003_source.sql",
            missing.join(", ")
        ));
    }
    let prefix = format!("{relation}.");
    let unsuitable: Vec<_> = unsuitable
        .iter()
        .filter_map(|line| line.strip_prefix(&prefix))
        .collect();
    if !unsuitable.is_empty() {
        return Finding::fail(format!(
            "{}: change the view so that it casts them",
            unsuitable.join("; ")
        ));
    }
    let others: Vec<_> = expected
        .iter()
        .filter_map(|(name, expected)| {
            let column = type_of(name).filter(|column| column.type_name != *expected)?;
            // The worker's sessions have the time zone UTC.
            let zone = match column.type_name.as_str() {
                "timestamp without time zone" | "date" => " (read as UTC)",
                _ => "",
            };
            Some(format!(
                "{name} is {}{zone}, not {expected}",
                column.type_name
            ))
        })
        .collect();
    if others.is_empty() {
        Finding::ok("has all columns with the expected types")
    } else {
        Finding::warn(format!(
            "{}: cast for every row, so an index on it may not be used",
            others.join("; ")
        ))
    }
}
