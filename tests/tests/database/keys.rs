//! API keys: shown once, stored as a hash, valid until revoked.

use std::time::Duration;

use exports_database::{IssuedKey, NewKey, Rotated};
use exports_domain::Scope;
use exports_tests::TestDatabase;
use serde_json::json;

use crate::support::{PROJECT, database, project};

#[tokio::test]
async fn a_key_authenticates_its_project_and_only_its_hash_is_stored() {
    let database = database().await;
    let storage = database.storage();
    let key = storage
        .create_key(&project(), Some("ci"))
        .await
        .unwrap()
        .unwrap();
    assert!(key.secret.starts_with("exk_") && key.secret.len() == 68);
    let authenticated = storage.authenticate(&key.secret).await.unwrap().unwrap();
    assert_eq!(authenticated.project, project());
    assert_eq!(authenticated.key.0, key.id);

    let row = &database.rows("SELECT * FROM api_keys").await[0];
    assert!(!row.to_string().contains(&key.secret[12..]), "{row}");
    assert_eq!(row["prefix"], key.secret[..12]);
    let sql = format!(
        "SELECT key_sha256 = sha256('{}'::bytea) FROM api_keys",
        key.secret
    );
    assert_eq!(database.value(&sql).await, true);
}

#[tokio::test]
async fn invalid_keys_are_rejected() {
    let database = database().await;
    let storage = database.storage();
    let key = storage.create_key(&project(), None).await.unwrap().unwrap();
    let prefix = &key.secret[..12];
    for wrong in [
        "",
        "exk_",
        prefix,
        &key.secret.to_uppercase(),
        &format!("{} ", key.secret),
        "' OR true --",
    ] {
        assert_eq!(
            storage.authenticate(wrong).await.unwrap(),
            None,
            "{wrong:?}"
        );
    }
}

#[tokio::test]
async fn a_project_is_created_once_and_a_key_needs_a_project() {
    let database = database().await;
    let storage = database.storage();
    let new = "proj_b".parse().unwrap();
    assert!(storage.create_key(&new, None).await.unwrap().is_none());
    assert!(storage.create_project(&new).await.unwrap());
    assert!(!storage.create_project(&new).await.unwrap());
    assert!(storage.create_key(&new, None).await.unwrap().is_some());
}

#[tokio::test]
async fn a_key_is_revoked_by_id_text_or_prefix() {
    let database = database().await;
    let storage = database.storage();
    let other = storage.create_key(&project(), None).await.unwrap().unwrap();
    for by in ["id", "text", "prefix"] {
        let key = storage
            .create_key(&project(), Some(by))
            .await
            .unwrap()
            .unwrap();
        let name = match by {
            "id" => key.id.to_string(),
            "text" => key.secret.clone(),
            _ => key.secret[..12].to_owned(),
        };
        let revoked = storage.revoke_keys(&name).await.unwrap();
        assert_eq!(revoked.len(), 1, "{by}");
        assert_eq!(
            (revoked[0].id, revoked[0].label.as_deref()),
            (key.id, Some(by))
        );
        assert_eq!(storage.authenticate(&key.secret).await.unwrap(), None);

        let again = storage.revoke_keys(&name).await.unwrap();
        assert_eq!(
            again[0].revoked_at, revoked[0].revoked_at,
            "the first revocation time is kept"
        );
    }
    assert!(storage.revoke_keys("exk_").await.unwrap().is_empty());
    assert!(storage.revoke_keys("").await.unwrap().is_empty());
    assert!(storage.authenticate(&other.secret).await.unwrap().is_some());
}

#[tokio::test]
async fn keys_are_listed_for_one_project_or_for_all_projects() {
    let database = database().await;
    let storage = database.storage();
    let other = database.project("proj_b").await;
    let mine = storage
        .create_key(&project(), Some("mine"))
        .await
        .unwrap()
        .unwrap();
    let theirs = storage.create_key(&other, None).await.unwrap().unwrap();
    let keys = storage.list_keys(Some(&project())).await.unwrap();
    assert_eq!(keys.len(), 1);
    assert_eq!(
        (keys[0].id, keys[0].project_id.as_str()),
        (mine.id, PROJECT)
    );
    let all = storage.list_keys(None).await.unwrap();
    let ids: Vec<_> = all.iter().map(|key| key.id).collect();
    assert_eq!(ids, [theirs.id, mine.id], "newest first");
}

#[tokio::test]
async fn the_last_use_of_a_key_is_recorded_once_a_minute() {
    let database = database().await;
    let storage = database.storage();
    let key = storage.create_key(&project(), None).await.unwrap().unwrap();
    let noted = "SELECT last_used_at FROM api_keys";
    assert!(database.value(noted).await.is_null());

    storage.authenticate(&key.secret).await.unwrap();
    let first = database.value(noted).await;
    assert!(!first.is_null());
    storage.authenticate(&key.secret).await.unwrap();
    assert_eq!(database.value(noted).await, first, "within the minute");

    database
        .execute("UPDATE api_keys SET last_used_at = clock_timestamp() - interval '61 seconds'")
        .await;
    storage.authenticate(&key.secret).await.unwrap();
    let fresh = "SELECT last_used_at > clock_timestamp() - interval '30 seconds' FROM api_keys";
    assert_eq!(database.value(fresh).await, true);

    // The use of a revoked key is not recorded.
    storage.revoke_keys(&key.id.to_string()).await.unwrap();
    database
        .execute("UPDATE api_keys SET last_used_at = NULL")
        .await;
    storage.authenticate(&key.secret).await.unwrap();
    assert_eq!(database.value(noted).await, json!(null));
}

async fn issue(database: &TestDatabase, scope: Scope, valid_for: Option<Duration>) -> IssuedKey {
    let new = NewKey {
        project: &project(),
        label: Some("ci"),
        scope,
        valid_for,
    };
    database.storage().issue_key(&new).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_key_has_a_scope_and_an_expiry() {
    const DAY: Duration = Duration::from_hours(24);
    let database = database().await;
    let storage = database.storage();
    for (scope, valid_for) in [(Scope::Read, None), (Scope::Write, Some(DAY))] {
        let key = issue(&database, scope, valid_for).await;
        assert_eq!(key.expires_at.is_some(), valid_for.is_some());
        let found = storage.authenticate(&key.secret).await.unwrap().unwrap();
        assert_eq!(found.scope, scope);
        let remaining = found.remaining;
        assert_eq!(remaining.is_some(), valid_for.is_some());
        assert!(remaining.is_none_or(|left| left <= DAY && left > DAY / 2));
    }
    database
        .execute("UPDATE api_keys SET expires_at = clock_timestamp() - interval '1 ms' WHERE scope = 'write'")
        .await;
    let listed = storage.list_keys(None).await.unwrap();
    let names: Vec<_> = listed.iter().map(|key| key.scope.as_str()).collect();
    assert_eq!(names, ["write", "read"]);
}

#[tokio::test]
async fn an_expired_key_is_rejected_by_the_clock_of_the_database() {
    let database = database().await;
    let key = issue(&database, Scope::Write, Some(Duration::from_hours(1))).await;
    let storage = database.storage();
    assert!(storage.authenticate(&key.secret).await.unwrap().is_some());
    database
        .execute("UPDATE api_keys SET expires_at = clock_timestamp()")
        .await;
    assert_eq!(storage.authenticate(&key.secret).await.unwrap(), None);
}

#[tokio::test]
async fn rotation_keeps_rights_and_validity_and_ends_the_old_key_after_the_overlap() {
    let database = database().await;
    let storage = database.storage();
    let overlap = Duration::from_hours(24);
    for (scope, valid_for) in [
        (Scope::Read, None),
        (Scope::Write, Some(Duration::from_hours(24 * 90))),
        // Shorter than the overlap.
        (Scope::Write, Some(Duration::from_hours(1))),
    ] {
        let old = issue(&database, scope, valid_for).await;
        let rotated = storage.rotate_key(old.id, overlap).await.unwrap();
        let Rotated::Done { new, old_ends_at } = rotated else {
            panic!("an active key")
        };
        assert_ne!(new.secret, old.secret);
        let row = |id| format!("SELECT * FROM api_keys WHERE id = '{id}'");
        let now = database.rows(&row(new.id)).await.remove(0);
        assert_eq!(now["label"], "ci");
        assert_eq!(now["scope"], scope.as_str());
        let validity = format!(
            "SELECT extract(epoch FROM expires_at - created_at)::int FROM api_keys WHERE id = '{}'",
            new.id
        );
        let expected = valid_for.map(|valid_for| valid_for.as_secs());
        assert_eq!(database.value(&validity).await, json!(expected));

        let left = (old_ends_at - database.now().await).to_std().unwrap();
        let longest = valid_for.map_or(overlap, |valid_for| valid_for.min(overlap));
        assert!(left <= longest && left > longest / 2, "{left:?}");
        for key in [&old, &new] {
            let found = storage.authenticate(&key.secret).await.unwrap().unwrap();
            assert_eq!(found.scope, scope, "both work during the overlap");
        }
        let again = storage.rotate_key(old.id, overlap).await.unwrap();
        assert!(matches!(again, Rotated::NotActive), "only once");
        let next = storage.rotate_key(new.id, overlap).await.unwrap();
        assert!(matches!(next, Rotated::Done { .. }));
    }
}

#[tokio::test]
async fn revoked_expired_and_unknown_keys_cannot_be_rotated() {
    let database = database().await;
    let storage = database.storage();
    let hour = Duration::from_hours(1);
    let revoked = issue(&database, Scope::Write, None).await.id;
    storage.revoke_keys(&revoked.to_string()).await.unwrap();
    let expired = issue(&database, Scope::Write, Some(hour)).await.id;
    database
        .execute(format!(
            "UPDATE api_keys SET expires_at = now() WHERE id = '{expired}'"
        ))
        .await;
    for id in [revoked, expired, uuid::Uuid::nil()] {
        let rotated = storage.rotate_key(id, hour).await.unwrap();
        assert!(matches!(rotated, Rotated::NotActive), "{id}");
    }
    assert_eq!(database.value("SELECT count(*) FROM api_keys").await, 2);
}
