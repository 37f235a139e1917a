//! Removes what a key left on disk, finished or not, by `std::fs` alone. Whatever is gone already is fine.

use std::ffi::OsStr;
use std::io;
use std::path::Path as FsPath;

/// Removes the file itself.
pub(super) fn file(path: &FsPath) -> io::Result<()> {
    absent_is_fine(std::fs::remove_file(path))
}

/// Removes `<file>#<digits>`.
pub(super) fn staging(path: &FsPath) -> io::Result<()> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name().and_then(OsStr::to_str))
    else {
        return Ok(());
    };
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) => return absent_is_fine(Err(error)),
    };
    for entry in entries {
        let entry = entry?;
        let staged = entry.file_name();
        let number = staged
            .to_str()
            .and_then(|staged| staged.strip_prefix(name)?.strip_prefix('#'));
        if number
            .is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
        {
            absent_is_fine(std::fs::remove_file(entry.path()))?;
        }
    }
    Ok(())
}

/// Removes the directories above `path`, up to but never including the root, as long as they are empty. Also where a
/// process was killed between making them and its file.
pub(super) fn empty_directories(root: &FsPath, path: &FsPath) -> io::Result<()> {
    let above = path
        .ancestors()
        .skip(1)
        .take_while(|directory| *directory != root);
    for directory in above {
        match std::fs::remove_dir(directory) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn absent_is_fine(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}
