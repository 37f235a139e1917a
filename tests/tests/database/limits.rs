//! The limits of a project, checked by the create; and the lists by status.

use std::time::Duration;

use chrono::TimeDelta;
use exports_database::{CreateLimits, Created, Database, ListRequest};
use exports_domain::ExportStatus::{self, Completed, Expired};
use exports_domain::LimitOverrides;
use exports_postgres::PoolPurpose;
use exports_tests::ExportRow;
use futures_util::future::join_all;

use crate::support::{PROJECT, database, new_export, project, queue};

async fn create(storage: &Database, limits: CreateLimits) -> Created {
    let mut new = new_export();
    new.limits = limits;
    storage.create_export(&new).await.unwrap()
}

fn is_new(created: &Created) -> bool {
    match created {
        Created::New(_) => true,
        Created::Exceeded(_) => false,
        Created::Replayed(_) | Created::Mismatch => panic!("{created:?}"),
    }
}

#[tokio::test]
async fn concurrent_creates_of_several_processes_are_exact() {
    let database = database().await;
    let processes = [(); 3].map(|()| database.storage_for(PoolPurpose::Worker { concurrency: 2 }));
    queue(&database, PROJECT, 140).await;
    let limits = CreateLimits {
        active: Some("160".parse().unwrap()),
        ..CreateLimits::default()
    };
    let requests = (0..40).map(|number| create(&processes[number % 3], limits));
    let created = join_all(requests).await;
    assert_eq!(created.iter().filter(|it| is_new(it)).count(), 20);
    let count = processes[0].count_active(&project(), 1000).await.unwrap();
    assert_eq!(count, 160);
}

#[tokio::test]
async fn concurrent_reservations_of_several_processes_are_exact() {
    let database = database().await;
    let processes = [(); 3].map(|()| database.storage_for(PoolPurpose::Worker { concurrency: 2 }));
    let (project, rate) = (project(), "50/1h".parse().unwrap());
    let reserve = |number: usize| processes[number % 3].reserve_creates(&project, rate, 3);
    let reserved = join_all((0..40).map(reserve)).await;
    let reserved: Vec<_> = reserved.into_iter().map(Result::unwrap).collect();
    // All or none: 16 x 3, and two are left.
    assert_eq!(reserved.iter().filter(|it| it.granted).count(), 16);
    let hour = Duration::from_hours(1);
    for reservation in reserved {
        let left = reservation.window_left;
        assert!(left <= hour && left > hour / 2, "{left:?}");
    }
    for granted in [true, true, false] {
        let one = processes[0].reserve_creates(&project, rate, 1).await;
        assert_eq!(one.unwrap().granted, granted);
    }
    let next =
        "UPDATE project_creates SET window_started_at = window_started_at - interval '1 hour'";
    database.execute(next).await;
    let one = processes[0].reserve_creates(&project, rate, 3).await;
    assert!(one.unwrap().granted, "a new window");
    assert_eq!(
        database.value("SELECT creates FROM project_creates").await,
        3
    );
}

#[tokio::test]
async fn a_repeated_create_is_found_although_the_limit_is_reached() {
    let database = database().await;
    let storage = database.storage();
    let mut new = new_export();
    new.limits.active = Some("1".parse().unwrap());
    let first = storage.create_export(&new).await.unwrap();
    assert_eq!(storage.create_export(&new).await.unwrap(), first);
}

#[tokio::test]
async fn the_limits_of_a_project_are_stored_and_come_with_its_keys() {
    let database = database().await;
    let storage = database.storage();
    let key = storage.create_key(&project(), None).await.unwrap().unwrap();
    let limits = LimitOverrides {
        requests: Some("5/s".parse().unwrap()),
        creates: Some("60/1m".parse().unwrap()),
        active: Some("off".parse().unwrap()),
        stored_bytes: None,
    };
    assert!(
        storage
            .set_project_limits(&project(), limits)
            .await
            .unwrap()
    );
    assert_eq!(
        storage.project_limits(&project()).await.unwrap(),
        Some(limits)
    );
    let authenticated = storage.authenticate(&key.secret).await.unwrap();
    assert_eq!(authenticated.unwrap().limits, limits);
    let nothing = "proj_nothing".parse().unwrap();
    assert_eq!(storage.project_limits(&nothing).await.unwrap(), None);
    assert!(!storage.set_project_limits(&nothing, limits).await.unwrap());
}

/// The ids of a list by status, page by page.
async fn listed(storage: &Database, status: ExportStatus) -> Vec<uuid::Uuid> {
    let (mut ids, mut after) = (Vec::new(), None);
    loop {
        let request = ListRequest {
            limit: 2,
            after,
            status: Some(status),
        };
        let page = storage.list_exports(&project(), request).await.unwrap();
        assert!(
            page.exports
                .iter()
                .all(|export| export.state.status() == status)
        );
        ids.extend(page.exports.iter().map(|export| export.id.0));
        after = page.next;
        if after.is_none() {
            return ids;
        }
    }
}

#[tokio::test]
async fn completed_exports_past_their_time_are_listed_as_expired_in_order() {
    let database = database().await;
    let storage = database.storage();
    let (mut completed, mut expired) = (Vec::new(), Vec::new());
    for number in 0..15 {
        let row = match number % 3 {
            0 => ExportRow::of(PROJECT, Expired),
            1 => ExportRow::of(PROJECT, Completed).with_ago("expires_at", TimeDelta::minutes(1)),
            _ => ExportRow::of(PROJECT, Completed),
        };
        let row = row.with_ago("created_at", TimeDelta::minutes(100 - number));
        let id = row.insert(database.pool()).await;
        let list = if number % 3 == 2 {
            &mut completed
        } else {
            &mut expired
        };
        list.insert(0, id);
    }
    assert_eq!(listed(&storage, Completed).await, completed);
    assert_eq!(listed(&storage, Expired).await, expired);
}

/// As if no worker had run for long: more exports past their time than are sorted.
#[tokio::test]
async fn many_unmarked_exports_past_their_time_are_listed_in_order() {
    let database = database().await;
    let row = ExportRow::of(PROJECT, Completed).with_ago("expires_at", TimeDelta::minutes(1));
    let id = row.insert(database.pool()).await;
    database
        .execute(format!(
            "INSERT INTO exports SELECT (jsonb_populate_record(e, jsonb_build_object('id', gen_random_uuid(),
                 'created_at', e.created_at - n * interval '1 ms'))).*
             FROM exports e, generate_series(1, 6000) n WHERE e.id = '{id}'"
        ))
        .await;
    let request = ListRequest {
        limit: 500,
        after: None,
        status: Some(Expired),
    };
    let page = database
        .storage()
        .list_exports(&project(), request)
        .await
        .unwrap();
    assert_eq!(page.exports.len(), 500);
    assert_eq!(page.exports[0].id.0, id);
    assert!(
        page.exports
            .is_sorted_by_key(|export| std::cmp::Reverse(export.created_at))
    );
}
