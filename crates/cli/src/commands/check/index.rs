//! The index that exports are read by: whether the plan of a worker's statement goes by one.

use exports_domain::{MessageFilter, ProjectId, TimeRange};
use exports_source::{Error as StorageError, Source};
use exports_source::{Sample, SourceSession};

use super::report::Finding;

const INDEX: &str = "(project_id, direction, created_at, id)";

/// Asks for the plan of the very statement that a worker sends, for a day around some message.
pub(super) async fn check(source: &Source) -> std::result::Result<Finding, StorageError> {
    let mut session = source.open_session().await?;
    // Whose it is does not matter yet; no project has this id.
    let nobody = "proj_check".parse::<ProjectId>();
    let Ok(nobody) = nobody else {
        return Ok(Finding::skip("no project to ask for"));
    };
    session.begin(&nobody).await?;
    let (sample, few) = session.sample().await?;
    let Some((project, filter)) = sample.as_ref().and_then(day_around) else {
        return Ok(Finding::skip(
            "there are no messages yet: check again when there are",
        ));
    };
    let mut session = session.finish().await?;
    session.begin(&project).await?;
    judge(&mut session, &filter, few).await
}

fn day_around(sample: &Sample) -> Option<(ProjectId, MessageFilter)> {
    let half_a_day = chrono::TimeDelta::hours(12);
    let start = sample.created_at.checked_sub_signed(half_a_day)?;
    let end = sample.created_at.checked_add_signed(half_a_day)?;
    let filter = MessageFilter {
        range: TimeRange::new(start, end).ok()?,
        direction: sample.direction.parse().ok()?,
        status: None,
        endpoint: None,
    };
    Some((sample.project.parse().ok()?, filter))
}

async fn judge(
    session: &mut SourceSession,
    filter: &MessageFilter,
    few: bool,
) -> std::result::Result<Finding, StorageError> {
    let now = session.plan(filter, false).await?;
    if let Some(index) = carried_by(&now) {
        return Ok(Finding::ok(format!("exports are read by {index}")));
    }
    let by_index = session.plan(filter, true).await?;
    if let Some(index) = carried_by(&by_index) {
        return Ok(if few {
            Finding::ok(format!(
                "{index} is there; so few messages are read without"
            ))
        } else {
            Finding::warn(format!(
                "{index} is there, but the planner does not use it: run ANALYZE on the messages"
            ))
        });
    }
    let text = format!(
        "no index carries an export, it would read and sort all messages: CREATE INDEX CONCURRENTLY ON messages {INDEX}, or on the tables behind the view"
    );
    Ok(if few {
        Finding::warn(text)
    } else {
        Finding::fail(text)
    })
}

/// The index that brings the rows in their order: no node scans a table, and none sorts.
fn carried_by(plan: &[String]) -> Option<String> {
    let node = |line: &String| line.trim_start_matches([' ', '-', '>']).to_owned();
    let nodes: Vec<_> = plan.iter().map(node).collect();
    let other = |line: &String| {
        [
            "Seq Scan",
            "Parallel Seq Scan",
            "Sort",
            "Incremental Sort",
            "Bitmap",
        ]
        .iter()
        .any(|start| line.starts_with(start))
    };
    // `Sort Key` belongs to a Sort, or to a Merge Append, which is no sort.
    let mut scans = nodes.iter().filter(|line| !line.starts_with("Sort Key"));
    if scans.any(other) {
        return None;
    }
    nodes.iter().find_map(|line| {
        let (_, rest) = line
            .split_once("Scan using ")
            .or_else(|| line.split_once("Scan Backward using "))?;
        rest.split_whitespace().next().map(str::to_owned)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(plan: &str) -> Vec<String> {
        plan.lines().map(str::to_owned).collect()
    }

    #[test]
    fn an_index_carries_an_export_if_nothing_is_sorted_or_scanned() {
        let good = "Index Scan using messages_export on messages m\n  Index Cond: (…)";
        assert_eq!(carried_by(&lines(good)).as_deref(), Some("messages_export"));
        let partitions = "Merge Append\n  Sort Key: m.created_at, m.id\n  ->  Index Scan using p1_idx on p1 m_1\n  ->  Index Scan using p2_idx on p2 m_2";
        assert_eq!(carried_by(&lines(partitions)).as_deref(), Some("p1_idx"));
        for bad in [
            "Sort\n  Sort Key: created_at, id\n  ->  Index Scan using other on messages m",
            "Sort\n  Sort Key: created_at, id\n  ->  Seq Scan on messages m",
            "Incremental Sort\n  Presorted Key: created_at\n  ->  Index Scan using other on messages m",
            "Gather Merge\n  ->  Sort\n        Sort Key: created_at\n        ->  Parallel Seq Scan on messages m",
        ] {
            assert_eq!(carried_by(&lines(bad)), None, "{bad}");
        }
    }
}
