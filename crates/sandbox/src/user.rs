//! The user of PostgreSQL's processes and files.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::{Uid, User};

use crate::error::Error;

/// In order of preference. The distributions' packages create `postgres`; every system has `nobody`.
const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];

/// The user of the processes and files.
#[derive(Clone, Debug)]
pub(crate) enum RunAs {
    /// The caller, an ordinary user.
    Caller,
    /// Another user: the caller is root, and `initdb` and `postgres` refuse to run as root.
    Other { name: String, uid: u32, gid: u32 },
}

impl RunAs {
    /// The caller; an unprivileged user if the caller is root.
    pub(crate) fn choose() -> Result<Self, Error> {
        if !Uid::effective().is_root() {
            return Ok(Self::Caller);
        }
        UNPRIVILEGED
            .iter()
            .find_map(|name| User::from_name(name).ok().flatten())
            .map(|user| Self::Other {
                name: user.name,
                uid: user.uid.as_raw(),
                gid: user.gid.as_raw(),
            })
            .ok_or(Error::NoUnprivilegedUser)
    }

    /// Runs the command as this user, without the caller's supplementary groups (std drops them when root sets a uid).
    pub(crate) fn apply(&self, command: &mut Command) {
        if let Self::Other { uid, gid, .. } = self {
            command.uid(*uid).gid(*gid);
        }
    }

    /// Makes this user the owner of a file or folder.
    pub(crate) fn own(&self, path: &Path) -> Result<(), Error> {
        let Self::Other { uid, gid, .. } = self else {
            return Ok(());
        };
        chown(path, Some(*uid), Some(*gid)).map_err(|source| Error::File {
            action: "change the owner of",
            path: path.to_owned(),
            source,
        })
    }

    /// Whether this user can enter a folder. It tries, because ACLs and mounts also matter, not only modes.
    pub(crate) fn can_enter(&self, folder: &Path) -> bool {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", r#"cd "$1""#, "sh"]).arg(folder);
        self.succeeds(&mut shell)
    }

    /// Whether a command succeeds as this user, in `/`.
    pub(crate) fn succeeds(&self, command: &mut Command) -> bool {
        self.apply(command);
        command
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }

    /// For messages.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Caller => "the current user".into(),
            Self::Other { name, .. } => format!("user `{name}` (PostgreSQL does not run as root)"),
        }
    }
}
