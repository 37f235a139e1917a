//! The commands of docs/api.md for downloading with clients that consumers have, run as they are written there.
//!
//! The store refuses a request with a signature and an `Authorization` header, as S3 does. So a client that keeps the header fails.

use std::path::Path;
use std::process::Stdio;

use exports_tests::{Fixture, StoreKind, not_run};
use sha2::{Digest, Sha256};
use tokio::process::Command;

use crate::shared::{Consumer, id_of, story};

const DOCS: &str = include_str!("../../../docs/api.md");

/// The code blocks for downloading, with their languages.
fn snippets() -> Vec<(&'static str, &'static str)> {
    let (_, section) = DOCS.split_once("\n## Downloading\n").expect("the section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let blocks = section.split("```").skip(1).step_by(2);
    blocks
        .map(|block| block.split_once('\n').expect("a language and code"))
        .collect()
}

fn is_installed(program: &str) -> bool {
    let found = std::process::Command::new("sh")
        .args(["-c", &format!("command -v {program}")])
        .stdout(Stdio::null())
        .status();
    found.is_ok_and(|status| status.success())
}

/// The program that runs a snippet, and the programs that it needs.
fn needs(language: &str, code: &str) -> Vec<&'static str> {
    match language {
        "python" => vec!["python3"],
        "java" => vec!["javac"],
        "console" => ["curl", "wget", "aria2c", "jq"]
            .into_iter()
            .filter(|program| code.contains(&format!("{program} ")))
            .collect(),
        other => panic!("no way to run {other}"),
    }
}

/// Runs a snippet in a folder. It leaves `export.csv` there.
async fn run(language: &str, code: &str, folder: &Path, variables: &[(&str, &str)]) {
    let mut command = match language {
        "console" => {
            let lines = code
                .lines()
                .map(|line| line.strip_prefix("$ ").unwrap_or(line));
            let script: Vec<_> = ["set -euo pipefail"].into_iter().chain(lines).collect();
            let mut bash = Command::new("bash");
            bash.args(["-c", &script.join("\n")]);
            bash
        }
        "python" => {
            let mut python = Command::new("python3");
            python.args(["-c", code]);
            python
        }
        _ => {
            std::fs::write(folder.join("Download.java"), code).unwrap();
            let mut java = Command::new("java");
            java.arg("Download.java");
            java
        }
    };
    let command = command.current_dir(folder).envs(variables.iter().copied());
    let command = command.env("no_proxy", "127.0.0.1").stdin(Stdio::null());
    let output = command.output().await.expect("a program");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{code}\n{errors}");
}

#[test]
fn the_documented_commands_download_the_file_from_every_store() {
    story(async |_| {
        for store in [StoreKind::S3, StoreKind::File] {
            // Without a signing key, every client is redirected to the store.
            let builder = Fixture::builder().store(store);
            let fixture = match store {
                StoreKind::File => builder.start().await,
                _ => builder.without_signing_key().start().await,
            };
            let consumer = Consumer::owner_of(&fixture);
            let export = consumer.completed().await;
            let id = id_of(&export);
            for (language, code) in snippets() {
                let missing: Vec<_> = needs(language, code)
                    .into_iter()
                    .filter(|program| !is_installed(program))
                    .collect();
                if !missing.is_empty() {
                    not_run(&format!("{} is not installed", missing.join(", ")));
                    continue;
                }
                let folder = tempfile::tempdir().unwrap();
                let variables = [
                    ("API", consumer.api.base()),
                    ("KEY", consumer.api.key()),
                    ("ID", &id),
                ];
                run(language, code, folder.path(), &variables).await;
                let file = std::fs::read(folder.path().join("export.csv")).expect(code);
                let sha256 = hex::encode(Sha256::digest(&file));
                assert_eq!(export["sha256"], sha256, "{store:?}: {code}");
            }
        }
    });
}

#[test]
fn every_client_of_the_docs_has_a_snippet() {
    let snippets = snippets();
    let has = |language: &str, program: &str| {
        snippets
            .iter()
            .any(|(it, code)| *it == language && code.contains(program))
    };
    assert!(has("console", "curl -"));
    assert!(has("console", "wget "));
    assert!(has("console", "aria2c "));
    assert!(has("python", "urllib"));
    assert!(has("java", "HttpClient"));
    for (language, code) in snippets {
        let follows = language == "console" && code.contains("curl -fsSL");
        assert!(follows || code.contains("redirect=false"), "{code}");
    }
}
