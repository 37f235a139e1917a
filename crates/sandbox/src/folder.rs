//! The temporary folder of a server: where it may lie, whose it is, and that it is guarded before it exists.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::address::random_name;
use crate::error::Error;
use crate::reaper::Reaper;
use crate::user::RunAs;

/// A new folder `exports-<what>-…` that `user` owns and can reach, with its reaper: below `TMPDIR` or, where its parents are closed to that user,
/// in a public place.
pub(crate) fn create(what: &str, user: &RunAs) -> Result<(PathBuf, Reaper), Error> {
    create_below(&parents(), what, user)
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

fn create_below(parents: &[PathBuf], what: &str, user: &RunAs) -> Result<(PathBuf, Reaper), Error> {
    let mut tried = Vec::new();
    for parent in parents {
        if !user.can_enter(parent) {
            tried.push(format!("{} cannot be entered", parent.display()));
            continue;
        }
        let folder = parent.join(format!("exports-{what}-{}", random_name()));
        // First the reaper: an owner that is killed in between leaves no folder behind.
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
    fn a_parent_that_cannot_be_used_is_passed_over() {
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
