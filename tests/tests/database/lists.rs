//! Lists: newest first, page by page, no duplicates, no gaps.

use exports_database::{Cursor, Database, ListRequest, Page};
use exports_domain::{ExportId, ExportStatus};
use exports_tests::{ExportRow, TestDatabase};
use uuid::Uuid;

use crate::support::{PROJECT, database, project};

async fn page(storage: &Database, limit: u16, after: Option<Cursor>) -> Page {
    let request = ListRequest {
        limit,
        after,
        status: None,
    };
    storage.list_exports(&project(), request).await.unwrap()
}

fn ids(page: &Page) -> Vec<Uuid> {
    page.exports.iter().map(|export| export.id.0).collect()
}

/// The ids of all pages.
async fn pages(storage: &Database, limit: u16) -> Vec<Uuid> {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let page = page(storage, limit, after).await;
        all.extend(ids(&page));
        if page.next.is_some() {
            assert_eq!(page.exports.len(), usize::from(limit));
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return all,
        }
    }
}

async fn insert(database: &TestDatabase, id: u128, created_at: &str) -> Uuid {
    let row = ExportRow::of(PROJECT, ExportStatus::Pending)
        .with("id", Uuid::from_u128(id).to_string())
        .with("created_at", created_at);
    row.insert(database.pool()).await
}

#[tokio::test]
async fn a_list_is_ordered_by_creation_time_and_then_by_id_descending() {
    let database = database().await;
    let storage = database.storage();
    let old = insert(&database, 9, "2025-12-01T00:00:00Z").await;
    let mut tied = Vec::new();
    for id in [3, 1, 5, 4, 2] {
        tied.push(insert(&database, id, "2025-12-02T00:00:00.000001Z").await);
    }
    let new = insert(&database, 0, "2025-12-02T00:00:00.000002Z").await;
    tied.sort_unstable();
    tied.reverse();
    let expected = [vec![new], tied, vec![old]].concat();
    for limit in [1, 2, 3, 6, 7, 8, 500] {
        assert_eq!(pages(&storage, limit).await, expected, "pages of {limit}");
    }
}

#[tokio::test]
async fn the_last_page_has_no_cursor_even_if_it_is_full() {
    let database = database().await;
    let storage = database.storage();
    assert_eq!(
        page(&storage, 1, None).await.next,
        None,
        "the list is empty"
    );
    insert(&database, 1, "2025-12-01T00:00:00Z").await;
    assert_eq!(page(&storage, 1, None).await.next, None);
    insert(&database, 2, "2025-12-01T00:00:00Z").await;
    let first = page(&storage, 1, None).await;
    let next = first.next.expect("there is another page");
    assert_eq!(next.id, ExportId(Uuid::from_u128(2)));
    assert_eq!(page(&storage, 1, Some(next)).await.next, None);
}

#[tokio::test]
async fn inserts_and_deletes_between_pages_cause_no_duplicates_or_gaps() {
    let database = database().await;
    let storage = database.storage();
    for id in 1..=6 {
        insert(&database, id, &format!("2025-12-0{id}T00:00:00Z")).await;
    }
    let first = page(&storage, 2, None).await;
    assert_eq!(ids(&first), [6, 5].map(Uuid::from_u128));
    insert(&database, 7, "2025-12-07T00:00:00Z").await;
    // Between the last export of the first page and the next one: it belongs to the second page.
    insert(&database, 45, "2025-12-04T12:00:00Z").await;
    // The export that the cursor points to.
    database
        .execute(format!(
            "DELETE FROM exports WHERE id = '{}'",
            Uuid::from_u128(5)
        ))
        .await;
    let second = page(&storage, 2, first.next).await;
    assert_eq!(ids(&second), [45, 4].map(Uuid::from_u128));
    let third = page(&storage, 9, second.next).await;
    assert_eq!(ids(&third), [3, 2, 1].map(Uuid::from_u128));
}

#[tokio::test]
async fn a_list_contains_exports_of_one_project_in_every_state() {
    let database = database().await;
    let storage = database.storage();
    database.project("proj_b").await;
    for &status in ExportStatus::ALL {
        ExportRow::of("proj_b", status)
            .insert(database.pool())
            .await;
        ExportRow::of(PROJECT, status).insert(database.pool()).await;
    }
    let page = page(&storage, 500, None).await;
    assert_eq!(page.exports.len(), 5);
    assert!(
        page.exports
            .iter()
            .all(|export| export.project == project())
    );
}

#[tokio::test]
async fn a_list_filtered_by_status_is_paged() {
    let database = database().await;
    let storage = database.storage();
    for &status in ExportStatus::ALL {
        for _ in 0..3 {
            ExportRow::of(PROJECT, status).insert(database.pool()).await;
        }
    }
    for &status in ExportStatus::ALL {
        let request = |after| ListRequest {
            limit: 2,
            after,
            status: Some(status),
        };
        let first = storage
            .list_exports(&project(), request(None))
            .await
            .unwrap();
        let rest = storage.list_exports(&project(), request(first.next)).await;
        let rest = rest.unwrap();
        assert_eq!(
            (first.exports.len(), rest.exports.len()),
            (2, 1),
            "{status}"
        );
        assert_eq!(rest.next, None);
        let mut all = first.exports.iter().chain(&rest.exports);
        assert!(all.all(|export| export.state.status() == status));
    }
}

/// The statement for few pending exports sorts them; the statement for many reads the newest ones first.
#[tokio::test]
async fn few_and_many_pending_exports_are_listed_newest_first() {
    let database = database().await;
    let storage = database.storage();
    let mut newest = Uuid::nil();
    for (first, last) in [(1_u128, 4_999_u128), (5_000, 5_002)] {
        database
            .execute(format!(
                "INSERT INTO exports (id, project_id, created_at, due_at, status, direction,
                                      filter_start_time, filter_end_time)
                 SELECT lpad(to_hex(n), 32, '0')::uuid, '{PROJECT}', at, at, 'pending', 'outbound',
                        '2025-11-01', '2025-11-02'
                 FROM generate_series({first}, {last}) n, LATERAL (SELECT timestamptz '2025-12-01' + n * interval '1 s' AS at) t"
            ))
            .await;
        let request = |after| ListRequest {
            limit: 500,
            after,
            status: Some(ExportStatus::Pending),
        };
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let page = storage
                .list_exports(&project(), request(after))
                .await
                .unwrap();
            found.extend(ids(&page));
            let Some(next) = page.next else { break };
            after = Some(next);
        }
        let expected: Vec<_> = (1..=last).rev().map(Uuid::from_u128).collect();
        assert_eq!(found, expected);
        assert!(newest < found[0], "the second round has newer ones");
        newest = found[0];
    }
}
