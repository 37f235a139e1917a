//! Query plans of exports with filters: the index for exports gives the order and the range, whatever the filter.

use exports_domain::{Choice, EndpointId, MessageFilter, MessageStatus, ValueSet};
use exports_source::Source;
use exports_tests::{TestDatabase, uuid};

use crate::support::{PROJECT, database, filter, project};

/// 60,000 messages of 60 endpoints, of which every tenth has failed.
async fn crowded() -> TestDatabase {
    let database = database().await;
    database
        .execute(format!(
            "INSERT INTO messages (id, project_id, direction, endpoint_id, status, attempt_count, created_at)
             SELECT gen_random_uuid(), '{PROJECT}', 'outbound', ('01935abc-0000-7000-8000-' || lpad(to_hex(n % 60), 12, '0'))::uuid,
                 CASE WHEN n % 100 = 0 THEN 'pending_retry' WHEN n % 100 = 1 THEN 'failed_permanent' ELSE 'succeeded' END,
                 1, timestamptz '2025-12-01' + n * interval '5 seconds'
             FROM generate_series(1, 60000) n;
             ANALYZE messages"
        ))
        .await;
    database
}

fn statuses(list: &[MessageStatus]) -> MessageFilter {
    MessageFilter {
        status: Choice::OneOf(ValueSet::new(list.to_vec()).unwrap()),
        ..filter()
    }
}

fn endpoints(count: u128) -> MessageFilter {
    let ids = (0..count).map(|id| EndpointId(uuid(id)));
    MessageFilter {
        endpoint: Choice::OneOf(ValueSet::new(ids.collect()).unwrap()),
        ..filter()
    }
}

async fn plan(database: &TestDatabase, filter: &MessageFilter, by_index_only: bool) -> String {
    let source = Source::same_as(&database.storage());
    let mut session = source.open_session().await.unwrap();
    session.begin_reading(&project(), filter).await.unwrap();
    session
        .plan(filter, by_index_only)
        .await
        .unwrap()
        .join("\n")
}

#[tokio::test]
async fn with_a_list_the_index_for_exports_still_gives_the_order() {
    use MessageStatus::{FailedPermanent, PendingRetry, Queued, Succeeded};
    let database = crowded().await;
    let one = MessageFilter {
        status: Choice::One(Succeeded),
        ..filter()
    };
    // If few messages pass the filter, the planner may prefer to scan and to sort them, as for a single value.
    for (filter, by_index_only) in [
        (filter(), false),
        (one.clone(), false),
        (statuses(&[Succeeded, Queued]), false),
        (statuses(MessageStatus::ALL), false),
        (endpoints(50), false),
        (statuses(&[PendingRetry, FailedPermanent]), true),
        (endpoints(2), true),
    ] {
        let plan = plan(&database, &filter, by_index_only).await;
        assert!(plan.contains("using messages_export on messages"), "{plan}");
        assert!(!plan.contains("Sort"), "{filter:?}\n{plan}");
    }
    let list = statuses(&[Succeeded]);
    assert_eq!(
        plan(&database, &list, false).await,
        plan(&database, &one, false).await,
        "a list of one value costs what the value costs"
    );
}

#[tokio::test]
async fn an_index_by_status_or_endpoint_serves_lists_too() {
    use MessageStatus::{FailedPermanent, PendingRetry};
    let database = crowded().await;
    database
        .execute(
            "CREATE INDEX by_status ON messages (project_id, direction, status, created_at, id) WHERE status <> 'succeeded';
             CREATE INDEX by_endpoint ON messages (project_id, direction, endpoint_id, created_at, id);
             ANALYZE messages",
        )
        .await;
    for (filter, index) in [
        (statuses(&[FailedPermanent]), "by_status"),
        (statuses(&[PendingRetry, FailedPermanent]), "by_status"),
        (endpoints(1), "by_endpoint"),
        (endpoints(2), "by_endpoint"),
    ] {
        let plan = plan(&database, &filter, false).await;
        assert!(plan.contains(index), "{filter:?}\n{plan}");
        assert!(!plan.contains("Seq Scan"), "{filter:?}\n{plan}");
    }
}
