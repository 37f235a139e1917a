//! The deployment of `deploy/compose.yaml`, driven by the operator's commands in `deploy/`.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use exports_sandbox::{Reaper, TemporaryFolder};
use uuid::Uuid;

use crate::containers::free_port;
use crate::engine;

const DEPLOY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy");
/// Everything that Compose creates has this label; the value is the name of the project.
const LABEL: &str = "com.docker.compose.project";

/// A copy of `deploy/` with its own name and ports. The drop removes what was started from it.
#[derive(Debug)]
pub struct Compose {
    folder: TemporaryFolder,
    name: String,
    /// Removes containers and networks if the drop does not run. After `folder`, which it does not need.
    _reaper: Reaper,
}

impl Compose {
    /// Copies the files and starts nothing. `None` without a Docker engine.
    #[must_use]
    pub fn prepare() -> Option<Self> {
        if !engine::is_there() {
            return None;
        }
        let name = format!("exports-e2e-{}", &Uuid::new_v4().simple().to_string()[..8]);
        let reaper = Reaper::of_docker_label(&format!("{LABEL}={name}"));
        let this = Self {
            folder: TemporaryFolder::create("compose").expect("a temporary folder"),
            name,
            _reaper: reaper.expect("/bin/sh"),
        };
        let copied = Command::new("cp")
            .arg("-r")
            .arg(DEPLOY)
            .arg(this.folder.path())
            .output();
        expect_success("cp", &copied.expect("cp"));
        // Those of the checkout's own deployment, if it runs.
        let _ = std::fs::remove_file(this.path("deploy/.env"));
        Some(this)
    }

    /// A free port for one of the deployment's settings.
    #[must_use]
    pub fn free_port() -> u16 {
        free_port()
    }

    /// A path in the copy.
    #[must_use]
    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Runs a command of `deploy/` with settings, and returns its output, whether it succeeds or not.
    #[must_use]
    pub fn try_run(&self, command: &str, arguments: &[&str], settings: &[(&str, &str)]) -> Output {
        let mut process = Command::new(self.path("deploy").join(command));
        process
            .args(arguments)
            .env("COMPOSE_PROJECT_NAME", &self.name)
            .envs(settings.iter().copied())
            .stdin(Stdio::null());
        process.output().expect("a command of deploy/")
    }

    /// The same, and returns what it prints. Panics if it fails.
    #[allow(
        clippy::must_use_candidate,
        reason = "most commands print nothing of interest"
    )]
    pub fn run(&self, command: &str, arguments: &[&str], settings: &[(&str, &str)]) -> String {
        let output = self.try_run(command, arguments, settings);
        expect_success(&format!("{command} {arguments:?}"), &output);
        String::from_utf8(output.stdout).expect("text")
    }

    /// Runs `docker compose` in `deploy/` with these variables, as somebody does who knows none of its scripts. Returns what it prints.
    #[must_use]
    pub fn run_alone(&self, arguments: &[&str], variables: &[(&str, &str)]) -> String {
        let has_plugin = Command::new("docker").args(["compose", "version"]).output();
        let has_plugin = has_plugin.expect("docker").status.success();
        let (program, plugin) = if has_plugin {
            ("docker", Some("compose"))
        } else {
            ("docker-compose", None)
        };
        let mut process = Command::new(program);
        process
            .args(plugin)
            .args(arguments)
            .current_dir(self.path("deploy"))
            .env("COMPOSE_PROJECT_NAME", &self.name)
            .envs(variables.iter().copied())
            .stdin(Stdio::null());
        let output = process.output().expect("docker compose");
        expect_success(&format!("{program} {arguments:?}"), &output);
        String::from_utf8(output.stdout).expect("text")
    }

    /// Pastes a text into a shell, in a folder of its own, and returns that folder's `export.csv`.
    #[must_use]
    pub fn paste(&self, shell: &str, text: &str) -> String {
        let folder = self.path(&format!("paste-{}", Uuid::new_v4().simple()));
        std::fs::create_dir(&folder).expect("a folder");
        std::fs::write(folder.join("pasted"), text).expect("a file");
        let file = std::fs::File::open(folder.join("pasted")).expect("the pasted text");
        // Standard input, as from a terminal: a command that reads it would swallow the commands after it.
        let output = Command::new(shell)
            .current_dir(&folder)
            .stdin(file)
            .output();
        let output = output.expect("a shell");
        expect_success(shell, &output);
        std::fs::read_to_string(folder.join("export.csv")).unwrap_or_else(|error| {
            panic!("{shell}: no export.csv: {error}\n{}", both(&output));
        })
    }

    /// The value of a setting or secret.
    #[must_use]
    pub fn setting(&self, name: &str) -> String {
        let file = std::fs::read_to_string(self.path("deploy/.env")).expect("deploy/.env");
        let mut values = file
            .lines()
            .filter_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        values
            .next_back()
            .unwrap_or_else(|| panic!("no {name} in .env"))
            .to_owned()
    }
}

impl Drop for Compose {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let logs = self.try_run("compose", &["logs", "--no-color", "--tail=40"], &[]);
            println!("{}", both(&logs));
        }
        let output = self.try_run("down", &[], &[]);
        if !output.status.success() {
            println!("deploy/down: {}", both(&output));
        }
    }
}

fn expect_success(what: &str, output: &Output) {
    assert!(
        output.status.success(),
        "{what}: {}\n{}",
        output.status,
        both(output)
    );
}

/// Standard output and standard error.
#[must_use]
pub fn both(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}
