//! `exportctl login` and `exportctl export` on the real services.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod run;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use exports_tests::{Fixture, Loss, Message, Proxy, StoreKind, TIMEOUT, eventually};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use run::{Answer, exportctl_reading, exportctl_with};

const RANGE: [&str; 4] = [
    "--start",
    "2025-12-01T00:00:00Z",
    "--end",
    "2025-12-06T23:59:59Z",
];

struct Consumer {
    fixture: Fixture,
    home: TempDir,
}

impl Consumer {
    /// A consumer with 2,500 messages.
    async fn on(kind: StoreKind) -> Self {
        let fixture = Fixture::builder().store(kind).start().await;
        let pool = fixture.database().pool();
        Message::insert_many(pool, fixture.project(), "2025-12-03T12:00:00Z", 2_500).await;
        let home = TempDir::new().unwrap();
        Self { fixture, home }
    }

    async fn run(&self, arguments: &[&str]) -> Answer {
        let environment = [
            ("EXPORTS_API_URL", self.fixture.api().base()),
            ("EXPORTS_API_KEY", self.fixture.key()),
        ];
        exportctl_with(&environment, &[&["export"], arguments].concat()).await
    }

    async fn create(&self, more: &[&str]) -> String {
        self.run(&[&["create"], &RANGE[..], more].concat())
            .await
            .ok()
    }

    async fn get(&self, id: &str) -> Value {
        let json = self.run(&["get", id, "--json"]).await.ok();
        serde_json::from_str(&json).unwrap()
    }

    fn folder(&self, name: &str) -> String {
        self.home.path().join(name).to_str().unwrap().to_owned()
    }
}

fn digest(path: &Path) -> String {
    hex::encode(Sha256::digest(std::fs::read(path).unwrap()))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_created_watched_and_downloaded_in_one_command() {
    for &kind in StoreKind::all() {
        let consumer = Consumer::on(kind).await;
        let folder = consumer.folder("files");
        let options = [
            "--max-rows-per-file",
            "1000",
            "--compression",
            "gzip",
            "--download",
            &folder,
        ];
        let answer = consumer
            .run(&[&["create"], &RANGE[..], &options].concat())
            .await;
        assert!(answer.err.contains("2,500 rows"), "{}", answer.err);
        let out = answer.ok();
        let (id, paths) = out.split_once('\n').unwrap();
        let export = consumer.get(id).await;
        let paths: Vec<_> = paths.lines().map(Path::new).collect();
        assert_eq!(paths.len(), 3);
        for (path, file) in paths.iter().zip(export["files"].as_array().unwrap()) {
            assert_eq!(path.file_name().unwrap().to_str(), file["name"].as_str());
            assert_eq!(digest(path), *file["sha256"].as_str().unwrap());
        }
        assert_eq!(
            std::fs::read_dir(&folder).unwrap().count(),
            3,
            "no other file is left"
        );
        let manifest = consumer.home.path().join("manifest.json");
        let printed = consumer.run(&["manifest", id]).await.ok();
        std::fs::write(&manifest, printed).unwrap();
        let mut verify = vec!["verify", manifest.to_str().unwrap()];
        verify.extend(paths.iter().map(|path| path.to_str().unwrap()));
        let verified = exportctl_with(&[], &verify).await.ok();
        assert_eq!(verified.matches(": ok, ").count(), 3, "{verified}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_continues_where_it_was() {
    for &kind in StoreKind::all() {
        let consumer = Consumer::on(kind).await;
        let id = consumer.create(&["--watch"]).await;
        let path = consumer.home.path().join("messages.csv");
        let output = path.to_str().unwrap();
        let download = async || consumer.run(&["download", &id, "-o", output]).await;
        assert_eq!(download().await.ok(), output);
        let whole = std::fs::read(&path).unwrap();
        let sha256 = digest(&path);
        assert_eq!(consumer.get(&id).await["sha256"], sha256);

        // What a broken download leaves.
        let link = consumer.fixture.link(&id).await;
        let answer = exports_tests::http_client().get(link).send().await.unwrap();
        let etag = answer.headers()["etag"].to_str().unwrap().to_owned();
        let (part, kept) = (format!("{output}.part"), format!("{output}.part.etag"));
        let leave = |bytes: &[u8], etag: &str| {
            std::fs::remove_file(&path).ok();
            std::fs::write(&part, bytes).unwrap();
            std::fs::write(&kept, etag).unwrap();
        };
        leave(&whole[..100_000], &etag);
        download().await.ok();
        assert_eq!(digest(&path), sha256);
        // Wrong bytes show that the rest was appended: the digest does not match.
        leave(&vec![b'x'; 100_000], &etag);
        let error = download().await.error();
        assert!(error.contains("has SHA-256"), "{error}");
        assert!(!path.exists() && !Path::new(&part).exists());
        // Of another file: it is downloaded from its start.
        leave(&vec![b'x'; 100_000], "\"another\"");
        download().await.ok();
        assert_eq!(digest(&path), sha256);
        assert!(!Path::new(&part).exists() && !Path::new(&kept).exists());

        let piped = consumer.run(&["download", &id, "-o", "-"]).await.ok();
        assert_eq!(piped.as_bytes(), whole.trim_ascii_end());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_listed_canceled_retried_and_deleted() {
    let consumer = Consumer::on(StoreKind::File).await;
    assert!(
        consumer
            .run(&["list"])
            .await
            .err
            .contains("There are no such exports")
    );
    let estimate = consumer
        .run(&[&["estimate"], &RANGE[..]].concat())
        .await
        .ok();
    assert!(estimate.starts_with("2,500 rows, "), "{estimate}");
    let done = consumer
        .create(&["--watch", "--label", "For the auditors"])
        .await;
    let list = consumer.run(&["list"]).await.ok();
    assert!(
        list.contains(&done) && list.contains("completed") && list.contains("For the auditors"),
        "{list}"
    );
    let json = consumer
        .run(&["list", "--json", "--status", "completed"])
        .await
        .ok();
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["id"], *done);
    let refused = consumer.run(&["cancel", &done]).await;
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.err.contains("EXPORT_NOT_ACTIVE") && refused.err.contains("(request req_"),
        "{}",
        refused.err
    );

    // Nothing can claim it any more.
    consumer
        .fixture
        .database()
        .execute("UPDATE exports SET status = 'failed', error_code = 'TIMED_OUT', error_message = 'Too slow.', object_key = NULL, row_count = NULL, file_size_bytes = NULL, sha256 = NULL, completed_at = NULL, expires_at = NULL, snapshot_at = NULL")
        .await;
    let failed = consumer.run(&["watch", &done]).await;
    assert_eq!(failed.code, Some(4));
    assert!(
        failed.err.contains("TIMED_OUT: Too slow."),
        "{}",
        failed.err
    );
    let failed = consumer.run(&["download", &done]).await;
    assert_eq!(failed.code, Some(4));
    let retried = consumer.run(&["retry", &done]).await.ok();
    assert_eq!(consumer.run(&["watch", &retried]).await.ok(), "completed");
    consumer.run(&["delete", &done]).await.ok();
    let missing = consumer.run(&["get", &done]).await;
    assert_eq!(missing.code, Some(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_has_the_address_and_the_key() {
    let consumer = Consumer::on(StoreKind::File).await;
    let home = [("HOME", consumer.home.path().to_str().unwrap())];
    let url = consumer.fixture.api().base();
    let unknown = exportctl_with(&home, &["export", "list"]).await.error();
    assert!(unknown.contains("run 'exportctl login URL'"), "{unknown}");
    let wrong = exportctl_reading("exk_wrong\n", &home, &["login", url]).await;
    assert_eq!(wrong.code, Some(6));
    let key = format!("{}\n", consumer.fixture.key());
    let out = exportctl_reading(&key, &home, &["login", url]).await.ok();
    assert!(out.ends_with("/.config/exportctl/profiles.json"), "{out}");
    exportctl_with(&home, &["export", "list"]).await.ok();
    let other = exportctl_with(&home, &["export", "list", "--profile", "other"])
        .await
        .error();
    assert!(other.contains("there is no profile other"), "{other}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_whose_answer_is_lost_is_sent_again_and_makes_one_export() {
    let consumer = Consumer::on(StoreKind::File).await;
    let api = consumer.fixture.api().base();
    let proxy = Proxy::to(api.trim_start_matches("http://")).await;
    proxy.lose_at(Loss::Reply, "POST /v1/exports ");
    let address = format!("http://{}", proxy.address());
    let environment = [
        ("EXPORTS_API_URL", address.as_str()),
        ("EXPORTS_API_KEY", consumer.fixture.key()),
    ];
    let create = [&["export", "create"], &RANGE[..]].concat();
    let answer = exportctl_with(&environment, &create).await;
    assert!(answer.err.contains("; trying again"), "{}", answer.err);
    let id = answer.ok();
    let list = consumer.run(&["list", "--json"]).await.ok();
    let list: Value = serde_json::from_str(&list).unwrap();
    let ids: Vec<_> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["id"])
        .collect();
    assert_eq!(ids, [&*id]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_is_opened_in_the_browser() {
    let home = TempDir::new().unwrap();
    let opened = home.path().join("opened");
    let browser = home.path().join("xdg-open");
    let script = format!("#!/bin/sh\necho \"$1\" >'{}'\n", opened.display());
    std::fs::write(&browser, script).unwrap();
    std::fs::set_permissions(&browser, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", home.path().display());
    let environment = [
        ("EXPORTS_API_URL", "https://exports.example.com/"),
        ("PATH", path.as_str()),
    ];
    let address = "https://exports.example.com/console#/exports/7";
    let run = async |arguments: &[&str]| {
        let arguments = [&["open"], arguments].concat();
        exportctl_with(&environment, &arguments).await.ok()
    };
    assert_eq!(run(&["7", "--print"]).await, address);
    assert!(!opened.exists());
    assert_eq!(run(&["7"]).await, address);
    eventually("the browser has started", TIMEOUT, async || {
        let text = std::fs::read_to_string(&opened).unwrap_or_default();
        (text.trim() == address).then_some(())
    })
    .await;
}
