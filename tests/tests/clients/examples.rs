//! The examples of docs/clients, run as they are there.

use std::path::{Path, PathBuf};
use std::process::Output;

use exports_domain::ExportStatus;
use exports_tests::{ExportRow, Fixture, Message, StoreKind, TIMEOUT, eventually};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::process::Command;

use crate::tools::{gson, program, run, text, tool};

const RANGE: [&str; 2] = ["2025-12-01T00:00:00Z", "2025-12-06T23:59:59Z"];

/// The commands that run the examples, except for those whose programs are missing.
fn examples() -> Vec<(&'static str, Vec<PathBuf>)> {
    let all = [
        ("export.sh", program("jq").and(command([program("bash")]))),
        ("export.py", command([tool("python")])),
        ("export.ts", command([tool("node")])),
        (
            "Export.java",
            command([program("java"), Some("-cp".into()), gson()]),
        ),
    ];
    let installed = all
        .into_iter()
        .filter_map(|(name, command)| Some((name, command?)));
    installed.collect()
}

fn command<const N: usize>(parts: [Option<PathBuf>; N]) -> Option<Vec<PathBuf>> {
    parts.into_iter().collect()
}

/// The folder of the examples.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/clients")
}

/// A run of an example, in a folder of its own.
struct Run {
    output: Output,
    folder: TempDir,
}

impl Run {
    async fn of(
        example: &str,
        command: &[PathBuf],
        api: &str,
        key: &str,
        range: [&str; 2],
    ) -> Self {
        let folder = TempDir::new().unwrap();
        let mut process = Command::new(&command[0]);
        let process = process
            .args(&command[1..])
            .arg(self::folder().join(example))
            .args(range)
            .env("EXPORTS_API_URL", api)
            .env("EXPORTS_API_KEY", key)
            .env("no_proxy", "127.0.0.1")
            .current_dir(folder.path());
        let output = run(process).await;
        Self { output, folder }
    }

    /// What it printed. Panics if it failed.
    fn lines(&self) -> Vec<String> {
        let errors = text(&self.output.stderr);
        assert!(self.output.status.success(), "{errors}");
        assert_eq!(errors, "");
        text(&self.output.stdout)
            .lines()
            .map(str::to_owned)
            .collect()
    }

    /// What it said when it failed. Panics if it did not.
    fn error(&self) -> String {
        let errors = text(&self.output.stderr);
        assert_eq!(self.output.status.code(), Some(1), "{errors}");
        assert_eq!(text(&self.output.stdout), "");
        errors.trim_end().to_owned()
    }
}

/// The id in the name of the file.
fn id_of(file: &str) -> &str {
    let id = file.strip_prefix("export-").unwrap();
    id.strip_suffix(".csv").unwrap()
}

/// The completed exports, as the examples print them.
async fn completed(fixture: &Fixture) -> Vec<String> {
    let list = fixture.api().get("/v1/exports?status=completed").await;
    let line = |it: &Value| format!("{}\t{}", it["id"].as_str().unwrap(), it["row_count"]);
    list.expect(200)
        .data()
        .as_array()
        .unwrap()
        .iter()
        .map(line)
        .collect()
}

/// An example that sends the key to the store fails: like Amazon S3, the store refuses a signed link with an `Authorization` header.
#[tokio::test(flavor = "multi_thread")]
async fn every_example_creates_waits_downloads_and_lists() {
    for store in [StoreKind::S3, StoreKind::File] {
        let builder = Fixture::builder().store(store);
        let fixture = match store {
            StoreKind::File => builder.start().await,
            // Every client is redirected to the store.
            _ => builder.without_signing_key().start().await,
        };
        let pool = fixture.database().pool();
        Message::insert_many(pool, fixture.project(), "2025-12-03T12:00:00Z", 2_500).await;
        // Two pages.
        for _ in 0..130 {
            let row = ExportRow::of(fixture.project(), ExportStatus::Completed);
            let _ = row.insert(pool).await;
        }
        let (api, key) = (fixture.api().base(), fixture.key());
        let mut created = 0;
        for (example, command) in examples() {
            let run = Run::of(example, &command, api, key, RANGE).await;
            let lines = run.lines();
            let (file, list) = lines.split_first().expect(example);
            let export = fixture.get_export(id_of(file)).await;
            let bytes = std::fs::read(run.folder.path().join(file)).unwrap();
            assert_eq!(export["sha256"], hex::encode(Sha256::digest(&bytes)));
            assert_eq!(export["row_count"], 2_500, "{example}");
            created += 1;
            assert_eq!(list.len(), 130 + created, "{example}");
            assert_eq!(list, completed(&fixture).await, "{example}");
        }
        let keys = "SELECT count(DISTINCT idempotency_key) FROM exports";
        assert_eq!(fixture.database().value(keys).await, created);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_shows_an_error_with_its_request_id() {
    let fixture = Fixture::builder().workers(0).start().await;
    let (api, key) = (fixture.api().base(), fixture.key());
    for (example, command) in examples() {
        let unknown = format!("exk_{}", "0".repeat(64));
        let error = Run::of(example, &command, api, &unknown, RANGE)
            .await
            .error();
        let expected = "UNAUTHORIZED: Invalid or missing API key (request req_";
        assert!(error.starts_with(expected), "{example}: {error}");
        let backwards = [RANGE[1], RANGE[0]];
        let error = Run::of(example, &command, api, key, backwards)
            .await
            .error();
        let expected = "INVALID_REQUEST: end_time must be after start_time (request req_";
        assert!(error.starts_with(expected), "{example}: {error}");
        let id = error
            .split("(request ")
            .nth(1)
            .unwrap()
            .trim_end_matches(')');
        assert!(fixture.api_log().contains(id), "{example}: {id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_says_why_an_export_failed() {
    // Without a worker, only this test ends the export.
    let fixture = Fixture::builder().workers(0).start().await;
    let (api, key) = (fixture.api().base(), fixture.key());
    for (example, command) in examples() {
        let cancel = async {
            let id = eventually("an export is pending", TIMEOUT, async || {
                let list = fixture.api().get("/v1/exports?status=pending").await;
                let list = list.expect(200).data();
                list.get(0)?["id"].as_str().map(str::to_owned)
            });
            let path = format!("/v1/exports/{}/cancel", id.await);
            fixture.api().post(&path, &json!({})).await.expect(200)
        };
        let run = Run::of(example, &command, api, key, RANGE);
        let (run, _) = tokio::join!(run, cancel);
        let error = run.error();
        assert!(error.starts_with("CANCELED: "), "{example}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_waits_when_a_limit_is_reached() {
    let builder = Fixture::builder().api_env("EXPORTS_REQUESTS_PER_KEY", "1/2s");
    let fixture = builder.start().await;
    for (example, command) in examples() {
        // The limit is one of the key.
        let project = format!("proj_{}", example.to_lowercase().replace('.', ""));
        let consumer = fixture.another_consumer(&project).await;
        let run = Run::of(
            example,
            &command,
            consumer.base(),
            consumer.key().unwrap(),
            RANGE,
        )
        .await;
        let lines = run.lines();
        assert_eq!(lines.len(), 2, "{example}: {lines:?}");
    }
    let refused = fixture.api_log().matches("\"status\":429").count();
    assert!(
        refused >= examples().len(),
        "{refused} requests were refused"
    );
}

#[test]
fn the_page_of_the_examples_names_each() {
    let page = std::fs::read_to_string(folder().join("README.md")).unwrap();
    for file in std::fs::read_dir(folder()).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let link = format!("]({name})");
        assert!(name == "README.md" || page.contains(&link), "{name}");
    }
}
