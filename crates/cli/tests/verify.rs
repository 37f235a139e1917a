//! `exportctl verify` with the files and the manifest of a real export.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod run;

use std::path::{Path, PathBuf};

use exports_domain::{Compression, FileFormat, FileOptions, GivenOptions};
use exports_tests::{Fixture, Message, everything};
use serde_json::{Value, json};
use tempfile::TempDir;

use run::{Answer, exportctl_with};

const KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIFHKNQJ8z4Lq26RbvgAXGqxW9r9IC93IJUIsc7wrUe/q\n\
    -----END PRIVATE KEY-----\n";
/// Exit code: something does not match.
const FINDINGS: Option<i32> = Some(3);

/// A folder with the downloaded files of an export, its manifest and the public key.
struct Delivered {
    folder: TempDir,
    files: Vec<PathBuf>,
}

impl Delivered {
    async fn of(fixture: &Fixture, options: GivenOptions) -> Self {
        let folder = TempDir::new().unwrap();
        let options = FileOptions::new(options).unwrap();
        let filter = everything(exports_domain::Direction::Outbound);
        let id = fixture.queue_export_as(filter, options.clone()).await;
        let contents = match options.max_rows_per_file() {
            None => vec![fixture.read_stored(id).await],
            Some(_) => fixture.read_split(id).await,
        };
        let api = fixture.api();
        let manifest = api.get(&format!("/v1/exports/{id}/manifest")).await;
        let names: Vec<_> = manifest.data()["files"]
            .as_array()
            .unwrap()
            .iter()
            .map(|file| file["name"].as_str().unwrap().to_owned())
            .collect();
        let files: Vec<_> = names.iter().map(|name| folder.path().join(name)).collect();
        for (path, content) in files.iter().zip(contents) {
            std::fs::write(path, content).unwrap();
        }
        std::fs::write(folder.path().join("manifest.json"), &manifest.body).unwrap();
        let key = api.get("/.well-known/exports-manifest-key").await;
        std::fs::write(folder.path().join("key.pem"), &key.body).unwrap();
        Self { folder, files }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn verify(&self, manifest: &str, files: &[PathBuf]) -> Answer {
        let (manifest, key) = (self.path(manifest), self.path("key.pem"));
        let mut arguments = vec!["verify", shown(&manifest), "--key", shown(&key)];
        arguments.extend(files.iter().map(|path| shown(path)));
        exportctl_with(&[], &arguments).await
    }

    /// The manifest with a change, in another file.
    fn changed(&self, change: impl FnOnce(&mut Value)) -> &'static str {
        let text = std::fs::read_to_string(self.path("manifest.json")).unwrap();
        let mut manifest: Value = serde_json::from_str(&text).unwrap();
        change(&mut manifest["data"]);
        let text = serde_json::to_string_pretty(&manifest["data"]).unwrap();
        std::fs::write(self.path("changed.json"), text).unwrap();
        "changed.json"
    }
}

fn shown(path: &Path) -> &str {
    path.to_str().unwrap()
}

async fn fixture() -> Fixture {
    let fixture = Fixture::builder()
        .api_env("EXPORTS_MANIFEST_KEY", KEY)
        .start()
        .await;
    let pool = fixture.database().pool();
    Message::insert_many(pool, fixture.project(), "2025-12-03T12:00:00Z", 2_500).await;
    fixture
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_every_format_are_verified() {
    let fixture = fixture().await;
    for &format in FileFormat::ALL {
        for &compression in Compression::all_of(format) {
            for max_rows in [None, Some(1_000)] {
                let delivered = Delivered::of(
                    &fixture,
                    GivenOptions {
                        format: Some(format),
                        compression: Some(compression),
                        max_rows_per_file: max_rows.map(|rows: u64| rows.try_into().unwrap()),
                        ..GivenOptions::default()
                    },
                )
                .await;
                let verified = delivered.verify("manifest.json", &delivered.files).await;
                let out = verified.ok();
                assert!(
                    out.contains("manifest.json: the signature is valid"),
                    "{out}"
                );
                let rows = if max_rows.is_some() {
                    "ok, 500 rows"
                } else {
                    "ok, 2500 rows"
                };
                assert!(out.contains(rows), "{out}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_difference_is_reported() {
    let fixture = fixture().await;
    let delivered = Delivered::of(
        &fixture,
        GivenOptions {
            max_rows_per_file: Some(1_000.try_into().unwrap()),
            ..GivenOptions::default()
        },
    )
    .await;
    let [first, second, third] = delivered.files.as_slice() else {
        panic!("three files")
    };
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let reports = async |manifest: &str, files: &[PathBuf], says: &str| {
        let answer = delivered.verify(manifest, files).await;
        assert_eq!(answer.code, FINDINGS, "{}{}", answer.out, answer.err);
        assert!(answer.out.contains(says), "{}\nhas not: {says}", answer.out);
    };
    let (two, all) = (&delivered.files[..2], &delivered.files[..]);
    let missing = format!("{}: is missing: give its path", name(third));
    reports("manifest.json", two, &missing).await;
    let twice = [all, two].concat();
    let repeated = format!("{}: is given more than once", name(first));
    reports("manifest.json", &twice, &repeated).await;
    let other = [all, &[delivered.path("key.pem")]].concat();
    reports("manifest.json", &other, "key.pem: is not in the manifest").await;

    let rows = delivered.changed(|manifest| manifest["files"][1]["row_count"] = json!(7));
    reports(rows, all, "has 1000 rows instead of 7").await;
    reports(rows, all, "the signature does not match").await;
    let unsigned = delivered.changed(|manifest| {
        manifest.as_object_mut().unwrap().remove("signature");
    });
    reports(unsigned, all, "the manifest has no signature").await;

    let content = std::fs::read(second).unwrap();
    let mut damaged = content.clone();
    damaged[500] ^= 1;
    std::fs::write(second, &damaged).unwrap();
    reports(
        "manifest.json",
        all,
        &format!("{}: has SHA-256 ", name(second)),
    )
    .await;
    std::fs::write(second, &content[1..]).unwrap();
    let short = format!(
        "has {} bytes instead of {}",
        content.len() - 1,
        content.len()
    );
    reports("manifest.json", all, &short).await;
    std::fs::write(second, content).unwrap();
    delivered.verify("manifest.json", all).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_manifest_or_no_key_is_an_error() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("manifest.json");
    let verify = async |text: &str, more: &[&str]| {
        std::fs::write(&path, text).unwrap();
        let arguments = [&["verify", shown(&path), shown(&path)], more].concat();
        exportctl_with(&[], &arguments).await.error()
    };
    let error = verify("text", &[]).await;
    assert!(error.contains("manifest.json: expected"), "{error}");
    let error = verify("{}", &[]).await;
    assert!(error.contains("missing field `export`"), "{error}");
    let xlsx = r#"{"export": {"format": "xlsx"}, "files": []}"#;
    let error = verify(xlsx, &[]).await;
    assert!(error.contains("xlsx"), "{error}");
    let manifest = r#"{"export": {}, "files": []}"#;
    let error = verify(manifest, &["--key", shown(&path)]).await;
    assert!(
        error.contains("must be an Ed25519 public key in PEM"),
        "{error}"
    );
}
