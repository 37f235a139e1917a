//! Creates the temporary folder of a server, with its owner and its reaper.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::address::random_name;
use crate::error::Error;
use crate::reaper::Reaper;
use crate::user::RunAs;

/// Creates `exports-<name>-…`, owned by `user`, and its reaper: below `TMPDIR`, or below `/tmp` or `/var/tmp` if `user` cannot
/// enter `TMPDIR`.
pub(crate) fn create(name: &str, user: &RunAs) -> Result<(PathBuf, Reaper), Error> {
    create_below(&parents(), name, user)
}

fn parents() -> Vec<PathBuf> {
    let mut parents = vec![std::env::temp_dir()];
    for public in ["/tmp", "/var/tmp"] {
        if !parents.iter().any(|parent| parent == Path::new(public)) {
            parents.push(public.into());
        }
    }
    parents
}

fn create_below(parents: &[PathBuf], name: &str, user: &RunAs) -> Result<(PathBuf, Reaper), Error> {
    let mut tried = Vec::new();
    for parent in parents {
        if !user.can_enter(parent) {
            tried.push(format!("{} cannot be entered", parent.display()));
            continue;
        }
        let folder = parent.join(format!("exports-{name}-{}", random_name()));
        // The reaper first: an owner that is killed between the two leaves no folder.
        let reaper = Reaper::of_folder(folder.as_os_str())?;
        match DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => {
                user.own(&folder)?;
                return Ok((folder, reaper));
            }
            Err(error) => tried.push(format!("{}: {error}", parent.display())),
        }
    }
    Err(Error::NoFolder {
        user: user.name(),
        tried: tried.join("; "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unusable_parent_folder_is_skipped() {
        let user = RunAs::choose().unwrap();
        let parents = ["/nonexistent", "/proc", "/tmp"].map(PathBuf::from);
        let (folder, reaper) = create_below(&parents, "test", &user).unwrap();
        assert!(folder.starts_with("/tmp"));
        assert!(user.can_enter(&folder));
        drop(reaper);
        assert!(!folder.exists());
    }

    #[test]
    fn the_error_names_every_folder_tried() {
        let user = RunAs::choose().unwrap();
        let parents = ["/nonexistent", "/dev/null"].map(PathBuf::from);
        let error = create_below(&parents, "test", &user).unwrap_err();
        let message = error.to_string();
        assert!(message.contains("/nonexistent cannot"), "{message}");
        assert!(message.contains("/dev/null cannot"), "{message}");
        assert!(message.contains("TMPDIR"), "{message}");
    }
}
