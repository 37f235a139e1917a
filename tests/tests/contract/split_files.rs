//! Exports with `max_rows_per_file`: their files, their downloads and their manifest.

use exports_domain::ExportStatus::Pending;
use exports_tests::{Message, Reply, StoreKind};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

use crate::api::assert_refused;
use crate::download::fetch;
use crate::shared::{Consumer, fields, id_of, path, request_with, story};

/// A completed export of 2,500 messages in files of 1,000.
async fn split(consumer: &Consumer<'_>, options: Value) -> Value {
    let (database, start) = (consumer.fixture.database(), "2025-12-03T12:00:00Z");
    Message::insert_many(database.pool(), &consumer.project, start, 2_500).await;
    let mut options = options;
    options["max_rows_per_file"] = json!(1_000);
    let created = consumer.create(&request_with(options)).await;
    assert_eq!(created["max_rows_per_file"], 1_000);
    consumer.until(&id_of(&created), "completed").await
}

fn download(export: &Value, query: &str) -> String {
    format!("{}/download{query}", path(&id_of(export)))
}

async fn link(consumer: &Consumer<'_>, export: &Value, number: u32) -> Url {
    let reply = consumer
        .api
        .get(&download(export, &format!("?file={number}")))
        .await;
    reply
        .expect(302)
        .header("location")
        .unwrap()
        .parse()
        .unwrap()
}

fn assert_is(file: &Value, reply: &Reply, media_type: &str) {
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), Some(media_type));
    let name = file["name"].as_str().unwrap();
    assert_eq!(
        reply.header("content-disposition"),
        Some(&*format!("attachment; filename=\"{name}\""))
    );
    assert_eq!(file["file_size_bytes"], reply.body.len() as u64);
    assert_eq!(file["sha256"], hex::encode(Sha256::digest(&reply.body)));
}

#[test]
fn each_file_of_a_split_export_is_downloaded_by_its_number() {
    story(async |fixtures| {
        for &store in StoreKind::all() {
            let consumer = fixtures.consumer_on(store).await;
            let export = split(&consumer, json!({})).await;
            let (id, files) = (id_of(&export), export["files"].as_array().unwrap());
            assert_eq!(files.len(), 3);
            for (index, (file, rows)) in files.iter().zip([1_000, 1_000, 500]).enumerate() {
                let number = u32::try_from(index + 1).unwrap();
                assert_eq!(
                    fields(file),
                    ["file_size_bytes", "name", "number", "row_count", "sha256"]
                );
                assert_eq!(file["number"], number);
                assert_eq!(file["name"], format!("export-{id}-{number:04}.csv"));
                assert_eq!(file["row_count"], rows);
                let reply = fetch(&link(&consumer, &export, number).await, &[]).await;
                assert_is(file, &reply, "text/csv; charset=utf-8");
                assert_eq!(reply.text().matches("\r\n").count(), rows + 1);
                assert!(reply.text().starts_with("message_id,"), "{store:?}");
            }
            let sum = |field| {
                files
                    .iter()
                    .map(|file| file[field].as_u64().unwrap())
                    .sum::<u64>()
            };
            assert_eq!(export["row_count"], sum("row_count"));
            assert_eq!(export["file_size_bytes"], sum("file_size_bytes"));
            assert!(export.get("sha256").is_none());
        }
    });
}

#[test]
fn a_compressed_split_export_has_compressed_files() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let export = split(&consumer, json!({"format": "jsonl", "compression": "gzip"})).await;
        let reply = fetch(&link(&consumer, &export, 3).await, &[]).await;
        let file = &export["files"][2];
        assert_is(file, &reply, "application/gzip");
        assert!(file["name"].as_str().unwrap().ends_with("-0003.jsonl.gz"));
    });
}

#[test]
fn lists_leave_the_files_out() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let mut export = split(&consumer, json!({})).await;
        for list in ["/v1/exports", "/v1/exports?status=completed"] {
            let listed = consumer.api.get(list).await.expect(200).data();
            export.as_object_mut().unwrap().remove("files");
            assert_eq!(listed, json!([export]), "{list}");
        }
    });
}

#[test]
fn the_number_of_a_file_is_required_and_checked() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let several = split(&consumer, json!({})).await;
        let one = consumer.completed().await;
        for (export, query, says) in [
            (
                &several,
                "",
                "file must be given, because the export has 3 files: 1 to 3, or manifest",
            ),
            (&several, "?file=4", "file must be 1 to 3, or manifest"),
            (
                &one,
                "?file=2",
                "file must be 1 or manifest: the export has one file",
            ),
            (
                &one,
                "?file=0",
                "file must be the number of a file, from 1, or manifest",
            ),
            (
                &one,
                "?file=x",
                "file must be the number of a file, from 1, or manifest",
            ),
            (&one, "?file=", "file must not be empty"),
            (&one, "?file=1&file=1", "file must be given once"),
        ] {
            let refused = consumer.api.get(&download(export, query)).await;
            assert_refused(&refused, 400, "INVALID_REQUEST", &[says]);
        }
        let only = link(&consumer, &one, 1).await;
        crate::download::assert_is_the_file_of(&one, &fetch(&only, &[]).await);
    });
}

#[test]
fn a_link_is_for_one_file_only() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let export = split(&consumer, json!({})).await;
        let second = link(&consumer, &export, 2).await;
        let to = |number: &str| second.as_str().replace("file=2&", number).parse().unwrap();
        for other in [
            "",
            "file=1&",
            "file=3&",
            "file=4&",
            "file=02&",
            "file=2&file=2&",
        ] {
            let refused = consumer.follow(&to(other)).await;
            assert_refused(&refused, 403, "INVALID_SIGNATURE", &[]);
        }
        assert_eq!(consumer.follow(&second).await.status, 200);
        let deleted = consumer.api.delete(&path(&id_of(&export))).await;
        let _ = deleted.expect(204);
        let gone = consumer.follow(&second).await;
        assert_refused(&gone, 404, "NOT_FOUND", &[]);
    });
}

#[test]
fn the_manifest_has_all_files_and_a_valid_signature() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let url = format!("{}/.well-known/exports-manifest-key", consumer.api.base());
        let key = fetch(&url.parse().unwrap(), &[]).await.expect(200);
        assert_eq!(key.header("content-type"), Some("application/x-pem-file"));
        let key = exports_wire::ManifestPublicKey::from_pem(key.text()).unwrap();
        let (several, one) = (
            split(&consumer, json!({})).await,
            consumer.completed().await,
        );
        for export in [&several, &one] {
            let path = format!("{}/manifest", path(&id_of(export)));
            let manifest = consumer.api.get(&path).await.expect(200).data();
            assert_eq!(manifest["export"], *export);
            let files = match export.get("files") {
                Some(files) => files.clone(),
                None => json!([{
                    "number": 1,
                    "name": format!("export-{}.csv", id_of(export)),
                    "row_count": export["row_count"],
                    "file_size_bytes": export["file_size_bytes"],
                    "sha256": export["sha256"],
                }]),
            };
            assert_eq!(manifest["files"], files);
            let signature = manifest["signature"].as_str().unwrap().to_owned();
            let bytes = exports_wire::signed_bytes(manifest.clone());
            assert!(key.verifies(&bytes, &signature), "{manifest}");
            let mut changed = manifest;
            changed["files"][0]["row_count"] = json!(7);
            assert!(!key.verifies(&exports_wire::signed_bytes(changed), &signature));
            let downloaded = consumer.api.get(&download(export, "?file=manifest")).await;
            assert_eq!(downloaded.expect(200).data()["files"], files);
        }
    });
}

#[test]
fn only_a_completed_export_has_a_manifest() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        for &status in exports_domain::ExportStatus::ALL {
            let id = consumer.put_without_file(consumer.row(status)).await;
            for path in ["manifest", "download?file=manifest"] {
                let reply = consumer.api.get(&format!("/v1/exports/{id}/{path}")).await;
                match status {
                    exports_domain::ExportStatus::Completed => assert_eq!(reply.status, 200),
                    exports_domain::ExportStatus::Expired => {
                        assert_refused(&reply, 410, "EXPORT_EXPIRED", &[]);
                    }
                    _ => assert_refused(&reply, 400, "EXPORT_NOT_READY", &[]),
                }
            }
        }
        let of_another = fixtures.consumer().await;
        let id = of_another.put_without_file(of_another.row(Pending)).await;
        let reply = consumer
            .api
            .get(&format!("/v1/exports/{id}/manifest"))
            .await;
        assert_refused(&reply, 404, "NOT_FOUND", &[]);
        let post = consumer
            .api
            .send(Method::POST, &format!("/v1/exports/{id}/manifest"), |it| it)
            .await;
        assert_refused(&post, 405, "METHOD_NOT_ALLOWED", &[]);
    });
}
