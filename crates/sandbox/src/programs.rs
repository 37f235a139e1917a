//! Finds the programs of PostgreSQL, and docker.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Error;
use crate::user::RunAs;

/// Where distributions install PostgreSQL: a folder, a prefix before the version, and a folder below.
const USUAL: &[(&str, &str, &str)] = &[
    ("/usr/lib/postgresql", "", "bin"),         // Debian, Ubuntu
    ("/usr", "pgsql-", "bin"),                  // PostgreSQL's own RPMs
    ("/usr/libexec", "postgresql", ""),         // Alpine
    ("/opt/homebrew/opt", "postgresql", "bin"), // Homebrew, Apple silicon
    ("/usr/local/opt", "postgresql", "bin"),    // Homebrew, Intel
    ("/usr/local", "pgsql", "bin"),             // built from source
];

/// The folders to search; tests search others.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// The folders of `PATH`, also for docker.
    pub(crate) path: Vec<PathBuf>,
    /// The distributions' usual folders.
    pub(crate) usual: Vec<PathBuf>,
}

impl Places {
    /// `PATH` and the distributions' usual folders on this machine.
    pub(crate) fn of_this_machine() -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        Self {
            path: std::env::split_paths(&path)
                .filter(|folder| folder.is_absolute())
                .collect(),
            usual: USUAL
                .iter()
                .flat_map(|(parent, prefix, below)| versions(Path::new(parent), prefix, below))
                .collect(),
        }
    }

    /// The first installed PostgreSQL that `user` can run.
    pub(crate) fn programs(&self, user: &RunAs) -> Option<Programs> {
        self.path
            .iter()
            .chain(&self.usual)
            .map(|folder| Programs::behind_links(folder))
            .find(|programs| programs.are_usable(user))
    }

    /// The `docker` program.
    pub(crate) fn docker(&self) -> Option<PathBuf> {
        self.path
            .iter()
            .map(|folder| folder.join("docker"))
            .find(|file| is_executable(file))
    }

    /// The folders, for messages.
    pub(crate) fn searched(&self) -> String {
        let mut names: Vec<String> = vec!["the folders of PATH".into()];
        names.extend(self.path.iter().map(|folder| folder.display().to_string()));
        names.push("the usual folders".into());
        names.extend(USUAL.iter().map(|(parent, prefix, below)| {
            let pattern = Path::new(parent).join(format!("{prefix}*")).join(below);
            pattern.display().to_string()
        }));
        names.join(", ")
    }
}

/// The existing folders `parent/prefix<version>/below`, highest version first.
fn versions(parent: &Path, prefix: &str, below: &str) -> Vec<PathBuf> {
    let mut found: Vec<(Vec<u32>, PathBuf)> = fs::read_dir(parent)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let version = version(name.strip_prefix(prefix)?);
            Some((version, entry.path().join(below)))
        })
        .collect();
    found.sort_by(|a, b| b.cmp(a));
    found.into_iter().map(|(_, folder)| folder).collect()
}

/// `-9.6` is `[9, 6]`, `@15` is `[15]`. As text, 9.6 would be higher than 15.
fn version(text: &str) -> Vec<u32> {
    text.split(|c: char| !c.is_ascii_digit())
        .filter_map(|number| number.parse().ok())
        .collect()
}

fn is_executable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

/// A folder with the programs of PostgreSQL.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// A folder of `PATH` can contain links to only some programs; the others are in the folder of the link's target.
    fn behind_links(folder: &Path) -> Self {
        let target = fs::canonicalize(folder.join("postgres")).ok();
        let real = target.as_deref().and_then(Path::parent);
        let folder = real
            .filter(|real| {
                is_executable(&real.join("initdb")) && is_executable(&real.join("postgres"))
            })
            .unwrap_or(folder);
        Self {
            folder: folder.to_owned(),
        }
    }

    /// Whether `user` can run both. Detects a folder that this user cannot enter, and a missing library.
    fn are_usable(&self, user: &RunAs) -> bool {
        ["initdb", "postgres"].iter().all(|name| {
            let program = self.path(name);
            is_executable(&program) && user.succeeds(Command::new(program).arg("--version"))
        })
    }

    /// The path of a program, which need not exist.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// Runs a command to completion. The error contains its output.
pub(crate) fn run(command: &mut Command, user: &RunAs) -> Result<(), Error> {
    let program = PathBuf::from(command.get_program());
    let result = command.output().map_err(|source| Error::Run {
        program: program.clone(),
        user: user.name(),
        source,
    })?;
    if result.status.success() {
        return Ok(());
    }
    let mut output = result.stdout;
    output.extend(result.stderr);
    Err(Error::Failed {
        program,
        status: result.status,
        output: last_lines(&String::from_utf8_lossy(&output), SHOWN_LINES),
    })
}

/// Lines of a log or an output in an error message.
pub(crate) const SHOWN_LINES: usize = 20;

/// The last lines of a text.
pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_with(programs: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for program in programs {
            let file = folder.path().join(program);
            // Written by another process: a file that this process has open for writing cannot be executed (ETXTBSY).
            let script = r#"printf '#!/bin/sh\n' > "$1" && chmod 755 "$1""#;
            let mut shell = Command::new("/bin/sh");
            let status = shell.args(["-c", script, "sh"]).arg(&file).status();
            assert!(status.unwrap().success());
        }
        folder
    }

    #[test]
    fn the_highest_version_comes_first() {
        let parent = tempfile::tempdir().unwrap();
        for name in ["pgsql-9.6", "pgsql-15", "pgsql-16", "other"] {
            fs::create_dir_all(parent.path().join(name).join("bin")).unwrap();
        }
        let found = versions(parent.path(), "pgsql-", "bin");
        let expected = ["pgsql-16/bin", "pgsql-15/bin", "pgsql-9.6/bin"];
        assert_eq!(found, expected.map(|name| parent.path().join(name)));
    }

    #[test]
    fn a_folder_with_missing_programs_is_skipped() {
        let half = folder_with(&["postgres"]);
        let whole = folder_with(&["postgres", "initdb"]);
        let places = Places {
            path: vec![half.path().into()],
            usual: vec![whole.path().into()],
        };
        let programs = places.programs(&RunAs::choose().unwrap()).unwrap();
        assert_eq!(programs.folder, whole.path());
    }

    #[test]
    fn a_program_that_does_not_run_is_skipped() {
        let broken = folder_with(&["postgres", "initdb"]);
        fs::write(broken.path().join("postgres"), "#!/bin/sh\nexit 127\n").unwrap();
        let places = Places {
            path: vec![broken.path().into()],
            usual: vec![],
        };
        assert!(places.programs(&RunAs::choose().unwrap()).is_none());
    }

    #[test]
    fn symbolic_links_are_followed_to_the_other_programs() {
        let real = folder_with(&["postgres", "initdb", "pg_basebackup"]);
        let links = folder_with(&[]);
        for name in ["postgres", "initdb"] {
            std::os::unix::fs::symlink(real.path().join(name), links.path().join(name)).unwrap();
        }
        let places = Places {
            path: vec![links.path().into()],
            usual: vec![],
        };
        let programs = places.programs(&RunAs::choose().unwrap()).unwrap();
        assert!(programs.path("pg_basebackup").exists());
    }

    #[test]
    fn the_path_comes_before_the_usual_folders() {
        let (first, second) = (
            folder_with(&["postgres", "initdb"]),
            folder_with(&["postgres", "initdb"]),
        );
        let places = Places {
            path: vec![first.path().into()],
            usual: vec![second.path().into()],
        };
        let programs = places.programs(&RunAs::choose().unwrap()).unwrap();
        assert_eq!(programs.folder, first.path());
    }
}
