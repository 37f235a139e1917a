//! Where messages and endpoints come from: the relations, their columns, and the statements that
//! exports send.

use chrono::{DateTime, TimeDelta};
use exports_domain::error_line;
use exports_domain::{Direction, EndpointId, MessageFilter, MessageStatus, ProjectId, TimeRange};
use exports_postgres::ServerInfo;
use exports_source::SourceSession;
use exports_source::{Column, Error as StorageError, Source};

use super::database::described;
use super::index;
use super::report::{Finding, Report, Verdict};
use crate::error::Result;

const UUID: &str = "uuid";
const TEXT: &str = "text";
const TIME: &str = "timestamp with time zone";
const INTEGER: &str = "integer";

/// The columns that are read, with the types that migrations give them.
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

/// More than this behind, exports wait for the replica.
const MUCH_LAG_S: f64 = 30.0;

pub(super) async fn check(report: &mut Report, source: &Source, elsewhere: bool) -> Result<()> {
    let reached = source.check().await;
    let facts = match reached {
        Ok(reached) => source.server_info().await.map(|facts| (facts, reached)),
        Err(error) => Err(error),
    };
    let (facts, reached) = match facts {
        Ok(facts) => facts,
        Err(error) => {
            let text = error_line(&error);
            let mend = "correct EXPORTS_SOURCE_DATABASE_URL, or start it";
            return report.add("source", &Finding::fail(format!("{text}: {mend}")));
        }
    };
    if elsewhere {
        report.add("source", &described(&facts, &reached))?;
    }
    if let Some(finding) = replica(&facts) {
        report.add("replica", &finding)?;
    }
    let session = source.open_session().await;
    let unsuitable = session
        .as_ref()
        .map(|session| session.catalogue().unsuitable_columns())
        .unwrap_or_default();
    let mut are_complete = true;
    for (relation, expected) in [("endpoints", &ENDPOINTS[..]), ("messages", &MESSAGES[..])] {
        let finding = match source.columns(relation).await {
            Ok(found) => columns(relation, expected, &found, &unsuitable),
            Err(error) => Finding::fail(error_line(&error)),
        };
        are_complete &= finding.verdict != Verdict::Fail;
        report.add(relation, &finding)?;
    }
    let mut session = match session {
        Ok(session) => session,
        Err(error) => {
            let text = format!("no session can be opened: {}", error_line(&error));
            return report.add("source session", &Finding::fail(text));
        }
    };
    session_findings(report, &session)?;
    let finding = match statements(&mut session).await {
        _ if !are_complete => Finding::skip("the relations are not as they must be"),
        Ok(()) => Finding::ok("the server accepts every statement of an export"),
        Err(error) => unreadable(&session, &facts.role, &error),
    };
    report.add("source statements", &finding)?;
    let is_readable = finding.verdict != Verdict::Fail;
    let finding = match index::check(source).await {
        Ok(finding) => finding,
        Err(_) if !is_readable => Finding::skip("the messages cannot be read"),
        Err(error) => Finding::fail(format!("messages cannot be read: {}", error_line(&error))),
    };
    report.add("index", &finding)
}

/// What the session on the source had to do without, and how that shows.
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
            "{reason}: each session or statement may see another state, so one statement reads all \
             messages of an export, whatever EXPORTS_READERS says"
        );
        report.add("source snapshot", &Finding::warn(text))?;
    }
    if let Some(relation) = session.catalogue().initial_copies.first() {
        let text = format!(
            "the first copy of {relation} by logical replication has not ended: exports wait for it"
        );
        report.add("source copy", &Finding::fail(text))?;
    }
    Ok(())
}

/// Has the server plan what an export sends, with each filter: what it refuses, it refuses here.
async fn statements(session: &mut SourceSession) -> std::result::Result<(), StorageError> {
    let (Ok(project), Some(range)) = ("proj_check".parse::<ProjectId>(), some_range()) else {
        return Ok(());
    };
    session.begin(&project).await?;
    for &direction in Direction::ALL {
        for status in MessageStatus::ALL.iter().copied().map(Some).chain([None]) {
            let filter = MessageFilter {
                range,
                direction,
                status,
                endpoint: status.map(|_| EndpointId(uuid::Uuid::nil())),
            };
            session.try_statements(&filter).await?;
        }
    }
    session.commit_if_unchanged().await
}

/// Any will do: nothing is read of it.
fn some_range() -> Option<TimeRange> {
    let start = DateTime::from_timestamp(0, 0)?;
    TimeRange::new(start, start.checked_add_signed(TimeDelta::days(1))?).ok()
}

/// Why the messages cannot be read, and what to do about it.
fn unreadable(session: &SourceSession, role: &str, error: &StorageError) -> Finding {
    let policies = &session.catalogue().policies;
    let reason = error_line(error);
    let is_forbidden = error.sql_state().as_deref() == Some("42501");
    if is_forbidden && !policies.is_empty() {
        return Finding::fail(format!(
            "{reason}: row-level security of {} hides rows from role {role}, whose exports would lack \
             them. ALTER ROLE {role} BYPASSRLS, or, if the role is meant to see only some rows, set \
             EXPORTS_SOURCE_ROW_SECURITY=apply",
            policies.join(", ")
        ));
    }
    Finding::fail(format!(
        "messages cannot be read: {reason}: compare the relation with migrations/0003_source.sql, and grant SELECT on it"
    ))
}

fn replica(facts: &ServerInfo) -> Option<Finding> {
    let lag = facts.replica_lag_s?;
    let text = format!("{lag:.1} s behind what it has received");
    Some(if lag > MUCH_LAG_S {
        Finding::warn(format!(
            "{text}: exports wait up to 30 s for it and are then tried again"
        ))
    } else {
        Finding::ok(text)
    })
}

/// A column that is missing is a failure; one of another type may do, since each is cast.
fn columns(
    relation: &str,
    expected: &[(&str, &str)],
    found: &[Column],
    unsuitable: &[String],
) -> Finding {
    if found.is_empty() {
        return Finding::fail(format!(
            "there is no relation {relation}: run 'exportctl migrate', or create a view of that name"
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
            "lacks {}: add what migrations/0003_source.sql has",
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
            Some(format!("{name} is {}, not {expected}", column.type_name))
        })
        .collect();
    if others.is_empty() {
        Finding::ok("has its columns and types")
    } else {
        Finding::warn(format!(
            "{}: it is cast for every row, and an index may not serve",
            others.join("; ")
        ))
    }
}
