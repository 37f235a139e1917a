//! API keys: shown once, stored as a hash, valid until revoked.

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
