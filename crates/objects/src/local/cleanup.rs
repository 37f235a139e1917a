//! Removes the files of a key, its staging files and empty directories. Missing files are a success.

use std::ffi::OsStr;
use std::io;
use std::path::Path as FsPath;

pub(super) fn remove_file(path: &FsPath) -> io::Result<()> {
    ignore_not_found(std::fs::remove_file(path))
}

/// Removes the staging files, `<file>#<digits>`.
pub(super) fn remove_staging_files(path: &FsPath) -> io::Result<()> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name().and_then(OsStr::to_str))
    else {
        return Ok(());
    };
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) => return ignore_not_found(Err(error)),
    };
    for entry in entries {
        let entry = entry?;
        let entry_name = entry.file_name();
        let number = entry_name
            .to_str()
            .and_then(|entry_name| entry_name.strip_prefix(name)?.strip_prefix('#'));
        if number
            .is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
        {
            ignore_not_found(std::fs::remove_file(entry.path()))?;
        }
    }
    Ok(())
}

/// Removes the empty directories between the root and `path`, also those of a process that was killed before it created its file.
pub(super) fn remove_empty_directories(root: &FsPath, path: &FsPath) -> io::Result<()> {
    let parents = path
        .ancestors()
        .skip(1)
        .take_while(|directory| *directory != root);
    for directory in parents {
        match std::fs::remove_dir(directory) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn ignore_not_found(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
