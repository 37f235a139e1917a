//! `exportctl admin check` with `--as`, `--role` and `--json`, before `migrate`, and on a full disk.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use exports_database::Program;
use exports_tests::{RunningStore, StoreKind, TestDatabase, not_run, private_server};
use serde_json::Value;

use crate::run::{Answer, admin};

/// A finding: its verdict and text.
type Finding = (String, String);

/// Runs `exportctl admin check --json` with these arguments and variables besides those of the store.
async fn check(
    store: &RunningStore,
    arguments: &str,
    set: &[(&str, &str)],
) -> (Answer, Vec<Value>) {
    let environment = store.environment();
    let mut variables: Vec<_> = environment
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .filter(|(name, _)| !set.iter().any(|(other, _)| other == name))
        .collect();
    variables.extend(set);
    let command = format!("check --json {arguments}");
    let answer = admin(&variables, command.trim_end()).await;
    let lines = answer.out.lines();
    let findings = lines.map(|line| serde_json::from_str(line).expect("a JSON object"));
    let findings = findings.collect();
    (answer, findings)
}

fn finding(findings: &[Value], check: &str) -> Finding {
    let found = findings.iter().find(|finding| finding["check"] == check);
    let found = found.unwrap_or_else(|| panic!("no {check}: {findings:#?}"));
    let text = |name: &str| found[name].as_str().expect("a text").to_owned();
    (text("verdict"), text("text"))
}

fn names(findings: &[Value]) -> Vec<&str> {
    let names = findings.iter().map(|finding| finding["check"].as_str());
    names.map(|name| name.expect("a name")).collect()
}

#[tokio::test]
async fn before_migrate_the_check_says_what_to_run_and_checks_the_rest() {
    let database = TestDatabase::empty().await;
    let store = RunningStore::start(StoreKind::S3);
    let (worker, _) = database.role("worker").await;
    let set = [("DATABASE_URL", database.url())];
    let arguments = format!("--as worker --role {worker}");
    let (answer, findings) = check(&store, &arguments, &set).await;
    assert_eq!(answer.code, Some(1));
    assert_eq!(answer.err, "error: 1 check failed");
    let (verdict, text) = finding(&findings, "migrations");
    assert_eq!(verdict, "fail");
    assert!(text.contains("run 'exportctl admin migrate'"), "{text}");
    for (name, verdict, part) in [
        ("database", "ok", "PostgreSQL"),
        ("database_write", "ok", "flushed a commit"),
        (
            "rights",
            "skip",
            "do not exist yet: run 'exportctl admin migrate'",
        ),
        ("source", "skip", "exportctl admin migrate"),
        ("store_upload", "ok", "multipart"),
    ] {
        let (found, text) = finding(&findings, name);
        assert_eq!(found, verdict, "{name}: {text}");
        assert!(text.contains(part), "{name}: {text}");
    }
    assert_eq!(store.listing(), [""; 0]);
}

#[tokio::test]
async fn as_a_worker_it_checks_its_rights_and_what_it_does_in_the_store() {
    let database = TestDatabase::create().await;
    let store = RunningStore::start(StoreKind::S3);
    let (name, url) = database.role("worker").await;
    let own = [("DATABASE_URL", url.as_str())];
    let admin = [("DATABASE_URL", database.url())];
    let with_role = format!("--as worker --role {name}");
    // Checked from outside, and as the role itself, which cannot even read the state of the schema.
    let (answer, findings) = check(&store, &with_role, &admin).await;
    assert_eq!(answer.code, Some(1));
    let (verdict, text) = finding(&findings, "rights");
    assert_eq!(verdict, "fail");
    let command = format!("run exportctl admin migrate --worker-role {name}");
    assert!(text.contains(&name) && text.ends_with(&command), "{text}");

    database
        .storage()
        .grant(Program::Worker, &name)
        .await
        .unwrap();
    for (arguments, set, whose) in [
        (with_role.as_str(), admin, name.as_str()),
        ("--as worker", own, "the connected role"),
    ] {
        let (answer, findings) = check(&store, arguments, &set).await;
        assert_eq!(answer.code, Some(0), "{} {}", answer.out, answer.err);
        let (verdict, text) = finding(&findings, "rights");
        assert_eq!(verdict, "ok");
        assert!(text.contains(whose), "{text}");
        let names = names(&findings);
        for name in [
            "database_write",
            "source_statements",
            "store_write",
            "store_upload",
            "store_delete",
        ] {
            assert!(names.contains(&name), "{name}: {names:?}");
        }
        assert!(
            !names.contains(&"signed_link"),
            "a worker signs nothing: {names:?}"
        );
    }
    database
        .execute(format!("REVOKE SELECT (url) ON endpoints FROM \"{name}\""))
        .await;
    let (_, findings) = check(&store, "--as worker", &own).await;
    let (verdict, text) = finding(&findings, "rights");
    assert_eq!(verdict, "fail");
    assert!(text.contains("lacks SELECT (url) on endpoints"), "{text}");

    let (_, findings) = check(&store, "--as worker --role nobody_at_all", &admin).await;
    let (verdict, text) = finding(&findings, "rights");
    assert_eq!(verdict, "fail");
    assert!(
        text.contains("role \"nobody_at_all\" does not exist"),
        "{text}"
    );
    assert_eq!(store.listing(), [""; 0]);
}

#[tokio::test]
async fn as_the_api_it_writes_nothing_to_the_store_and_needs_no_right_to_messages() {
    for kind in StoreKind::all().iter().copied() {
        let database = TestDatabase::create().await;
        let store = RunningStore::start(kind);
        let (name, url) = database.role("api").await;
        database.storage().grant(Program::Api, &name).await.unwrap();
        let source = TestDatabase::create().await;
        let (reader, source_url) = source.role("reader").await;
        let set = [
            ("DATABASE_URL", url.as_str()),
            ("EXPORTS_SOURCE_DATABASE_URL", &source_url),
            (
                "EXPORTS_SIGNING_KEY",
                "a signing key for tests, which is long enough",
            ),
        ];
        let (answer, findings) = check(&store, "--as api", &set).await;
        assert_eq!(answer.err, "error: 1 check failed", "{}", answer.out);
        let (verdict, text) = finding(&findings, "source_rights");
        assert_eq!(verdict, "fail");
        let grant = format!(
            "GRANT SELECT (id, project_id, direction) ON endpoints TO \"{reader}\"; \
             GRANT SELECT (project_id, direction, endpoint_id, status, created_at) ON messages TO \"{reader}\""
        );
        assert!(text.ends_with(&grant), "{text}");

        source.execute(grant).await;
        let (answer, findings) = check(&store, "--as api", &set).await;
        assert_eq!(answer.code, Some(0), "{} {}", answer.out, answer.err);
        assert_eq!(finding(&findings, "rights").0, "ok");
        let names = names(&findings);
        for name in ["store_write", "store_upload", "source_statements"] {
            assert!(!names.contains(&name), "{name}: {names:?}");
        }
        assert_eq!(finding(&findings, "store_look_up").0, "ok");
        assert_eq!(finding(&findings, "store_delete").0, "ok");
        if kind != StoreKind::File {
            let (verdict, text) = finding(&findings, "signed_link");
            assert_eq!(verdict, "ok", "{text}");
        }
    }
}

/// As in compose: the container reaches the store by its name, and consumers at a port of the host.
#[tokio::test]
async fn a_public_address_that_only_the_host_can_reach_is_a_warning() {
    let database = TestDatabase::create().await;
    let store = RunningStore::start(StoreKind::S3);
    let environment = store.environment();
    let (_, endpoint) = environment
        .iter()
        .find(|(name, _)| name == "AWS_ENDPOINT_URL")
        .expect("the store's address");
    let elsewhere = endpoint.replace("127.0.0.1", "0.0.0.0");
    let set = [
        ("DATABASE_URL", database.url()),
        ("AWS_ENDPOINT_URL", &elsewhere),
        ("EXPORTS_OBJECT_STORE_PUBLIC_ENDPOINT", "http://127.0.0.1:1"),
    ];
    let (answer, findings) = check(&store, "", &set).await;
    assert_eq!(answer.code, Some(0), "{} {}", answer.out, answer.err);
    let (verdict, text) = finding(&findings, "signed_link");
    assert_eq!(verdict, "warn");
    for part in [
        "127.0.0.1 is a loopback address",
        "curl",
        "http://127.0.0.1:1/",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[tokio::test]
async fn a_read_only_server_is_reported_in_words() {
    let database = TestDatabase::create().await;
    let store = RunningStore::start(StoreKind::File);
    let name = database.name();
    database
        .execute(format!(
            "ALTER DATABASE \"{name}\" SET default_transaction_read_only = on"
        ))
        .await;
    let (answer, findings) = check(&store, "", &[("DATABASE_URL", database.url())]).await;
    assert_eq!(answer.code, Some(1));
    let (verdict, text) = finding(&findings, "database");
    assert_eq!(verdict, "fail");
    for part in [
        "read-only",
        "default_transaction_read_only",
        "free space, or reset it",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

/// A small file system. The drop unmounts and removes it.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` if this process may not mount.
    fn mount() -> Option<Self> {
        let folder = std::env::temp_dir().join(format!("exports-disk-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let disk = Self(folder);
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64m,mode=0777", "tmpfs"])
            .arg(&disk.0)
            .status();
        mounted.is_ok_and(|status| status.success()).then_some(disk)
    }

    /// A folder that belongs to the owner of `data`, as the server demands.
    fn space_of(&self, data: &Path) -> PathBuf {
        let owner = data.metadata().expect("the server's folder");
        let space = self.0.join("space");
        std::fs::create_dir(&space).expect("a folder");
        std::os::unix::fs::chown(&space, Some(owner.uid()), Some(owner.gid())).expect("its owner");
        space
    }

    /// Writes a file until nothing fits any more.
    fn fill(&self) -> PathBuf {
        let path = self.0.join("full");
        let mut file = std::fs::File::create(&path).expect("a file");
        while std::io::Write::write(&mut file, &[1; 4096]).is_ok() {}
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("--lazy").arg(&self.0).status();
        let _ = (unmounted, std::fs::remove_dir(&self.0));
    }
}

/// The tablespace of the database is on a file system without space. Where the test may not mount one, the
/// server may write no temporary file.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_of_the_database_fails() {
    let Some(server) = private_server().await else {
        return not_run("TEST_DATABASE_URL is set: the disk of that server cannot be filled");
    };
    let store = RunningStore::start(StoreKind::File);
    let database = TestDatabase::create().await;
    let disk = SmallDisk::mount();
    let name = database.name();
    let admin = TestDatabase::empty().await;
    let run = async |sql: String| admin.execute(sql).await;
    let reason = if let Some(disk) = &disk {
        let space = disk.space_of(server.folder().expect("a folder").join("data").as_path());
        let folder = space.display();
        run(format!("CREATE TABLESPACE small LOCATION '{folder}'")).await;
        database.pool().close().await;
        run(format!("ALTER DATABASE \"{name}\" SET TABLESPACE small")).await;
        "No space left on device"
    } else {
        eprintln!("NOT RUN on a full disk: this process may not mount a file system");
        run(format!("ALTER DATABASE \"{name}\" SET temp_file_limit = 0")).await;
        "temp_file_limit"
    };
    let set = [("DATABASE_URL", database.url())];
    if let Some(disk) = &disk {
        let (answer, findings) = check(&store, "", &set).await;
        assert_eq!(
            finding(&findings, "database_write").0,
            "ok",
            "{}",
            answer.out
        );
        disk.fill();
    }
    let (answer, findings) = check(&store, "", &set).await;
    assert_eq!(answer.code, Some(1), "{}", answer.out);
    let (verdict, text) = finding(&findings, "database_write");
    assert_eq!(verdict, "fail");
    assert!(text.contains(reason), "{text}");
    if let Some(disk) = &disk {
        assert!(
            text.contains("free space on the disk of the database server"),
            "{text}"
        );
        std::fs::remove_file(disk.0.join("full")).unwrap();
        let (answer, findings) = check(&store, "", &set).await;
        assert_eq!(
            finding(&findings, "database_write").0,
            "ok",
            "{}",
            answer.out
        );
        run(format!("DROP DATABASE \"{name}\" WITH (FORCE)")).await;
        run("DROP TABLESPACE small".to_owned()).await;
    }
}
