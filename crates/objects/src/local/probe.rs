//! Checks that the root directory is writable.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path as FsPath;
use std::time::Duration;

/// The prefix of the name of a probe.
const PREFIX: &str = ".writable-";
/// No check takes nearly this long, so the process of an older probe was killed, or could not remove it.
const LEFTOVER_AGE: Duration = Duration::from_mins(10);

/// Writes a file and removes it. The file has no name while it is written, so it does not stay if the disk is full or the process
/// is killed. This function blocks.
pub(super) fn check_writable(root: &FsPath) -> io::Result<()> {
    // Several containers with a common volume can have the same process id.
    let name = format!(
        "{PREFIX}{}-{:08x}",
        std::process::id(),
        rand::random::<u32>()
    );
    let path = root.join(name);
    let created = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path);
    let mut probe: File = created?;
    std::fs::remove_file(&path)?;
    probe.write_all(b"probe")?;
    // A file system may report a full disk only now.
    probe.sync_all()
}

/// Removes the probes of processes that have ended. This function blocks. An error is ignored: a leftover does no harm, and the
/// check that follows reports a directory that is not writable.
pub(super) fn remove_leftovers(root: &FsPath) {
    let Ok(entries) = std::fs::read_dir(root) else {
        return;
    };
    for entry in entries.flatten() {
        let is_probe = entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.starts_with(PREFIX));
        if is_probe && is_leftover(&entry).unwrap_or(false) {
            std::fs::remove_file(entry.path()).ok();
        }
    }
}

fn is_leftover(entry: &std::fs::DirEntry) -> io::Result<bool> {
    let found = entry.metadata()?;
    // A time in the future is that of another clock.
    let age = found.modified()?.elapsed().unwrap_or_default();
    Ok(found.is_file() && age > LEFTOVER_AGE)
}
