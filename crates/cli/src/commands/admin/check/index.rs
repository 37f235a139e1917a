//! Checks that the planner uses an index for the statement of an export.

use exports_domain::{Choice, MessageFilter, ProjectId, TimeRange};
use exports_source::{Error as SourceError, Source};
use exports_source::{Sample, SourceSession};

use super::report::Finding;

const INDEX: &str = "(project_id, direction, created_at, id)";

/// Explains the statement that a worker sends, for a day around one message.
pub(super) async fn check(source: &Source) -> std::result::Result<Finding, SourceError> {
    let mut session = source.open_session().await?;
    // To find a sample, any project id will do.
    let Ok(any_project) = "proj_check".parse::<ProjectId>() else {
        return Ok(Finding::skip("no valid project id"));
    };
    session.begin(&any_project).await?;
    let (sample, few) = session.sample().await?;
    let Some((project, filter)) = sample.as_ref().and_then(day_around) else {
        return Ok(Finding::skip(
            "there are no messages yet: run the check again later",
        ));
    };
    let mut session = session.finish().await?;
    session.begin(&project).await?;
    check_plan(&mut session, &filter, few).await
}

fn day_around(sample: &Sample) -> Option<(ProjectId, MessageFilter)> {
    let half_a_day = chrono::TimeDelta::hours(12);
    let start = sample.created_at.checked_sub_signed(half_a_day)?;
    let end = sample.created_at.checked_add_signed(half_a_day)?;
    let filter = MessageFilter {
        range: TimeRange::new(start, end).ok()?,
        direction: sample.direction.parse().ok()?,
        status: Choice::Any,
        endpoint: Choice::Any,
    };
    Some((sample.project.parse().ok()?, filter))
}

async fn check_plan(
    session: &mut SourceSession,
    filter: &MessageFilter,
    few: bool,
) -> std::result::Result<Finding, SourceError> {
    let plan = session.plan(filter, false).await?;
    if let Some(index) = index_in_order(&plan) {
        return Ok(Finding::ok(format!("exports use the index {index}")));
    }
    let without_scans = session.plan(filter, true).await?;
    if let Some(index) = index_in_order(&without_scans) {
        return Ok(if few {
            Finding::ok(format!(
                "{index} exists, but is not needed for so few messages"
            ))
        } else {
            Finding::warn(format!(
                "{index} exists, but the planner does not use it: run ANALYZE on messages"
            ))
        });
    }
    let text = format!(
        "no index supports exports, so each export scans and sorts all messages: CREATE INDEX CONCURRENTLY ON messages {INDEX}, or on the tables of the view"
    );
    Ok(if few {
        Finding::warn(text)
    } else {
        Finding::fail(text)
    })
}

/// The index of a plan that returns the rows in order, without a table scan and without a sort.
fn index_in_order(plan: &[String]) -> Option<String> {
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
    // `Sort Key` also appears in a Merge Append, which does not sort.
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
    fn an_index_supports_exports_if_the_plan_has_no_sort_and_no_table_scan() {
        let good = "Index Scan using messages_export on messages m\n  Index Cond: (…)";
        assert_eq!(
            index_in_order(&lines(good)).as_deref(),
            Some("messages_export")
        );
        let partitions = "Merge Append\n  Sort Key: m.created_at, m.id\n  ->  Index Scan using p1_idx on p1 m_1\n  ->  Index Scan using p2_idx on p2 m_2";
        assert_eq!(
            index_in_order(&lines(partitions)).as_deref(),
            Some("p1_idx")
        );
        for bad in [
            "Sort\n  Sort Key: created_at, id\n  ->  Index Scan using other on messages m",
            "Sort\n  Sort Key: created_at, id\n  ->  Seq Scan on messages m",
            "Incremental Sort\n  Presorted Key: created_at\n  ->  Index Scan using other on messages m",
            "Gather Merge\n  ->  Sort\n        Sort Key: created_at\n        ->  Parallel Seq Scan on messages m",
        ] {
            assert_eq!(index_in_order(&lines(bad)), None, "{bad}");
        }
    }
}
