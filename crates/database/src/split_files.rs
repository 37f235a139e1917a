//! The files of an export that is split: as JSON in the column `files`, and the keys of their objects.

use exports_domain::SplitFile;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::Error;
use crate::row::corrupt;

#[derive(Serialize, Deserialize)]
struct Stored {
    rows: u64,
    bytes: u64,
    sha256: String,
}

/// The JSON.
pub(crate) fn text(files: &[SplitFile]) -> String {
    let files = files.iter().map(|file| Stored {
        rows: file.row_count,
        bytes: file.size_bytes,
        sha256: hex::encode(file.sha256),
    });
    let files: Vec<_> = files.collect();
    serde_json::to_string(&files).expect("numbers and texts have a form in JSON")
}

/// The files of the export with this id.
pub(crate) fn parse(id: Uuid, text: &str) -> Result<Box<[SplitFile]>, Error> {
    let unreadable = || corrupt(id, "files", &text);
    let stored: Vec<Stored> = serde_json::from_str(text).map_err(|_| unreadable())?;
    let files = stored.into_iter().map(|file| {
        let mut sha256 = [0; 32];
        hex::decode_to_slice(&file.sha256, &mut sha256).map_err(|_| unreadable())?;
        Ok(SplitFile {
            row_count: file.rows,
            size_bytes: file.bytes,
            sha256,
        })
    });
    files.collect()
}

/// The key of the object with this number, from 1, of an attempt whose first object has this key. The function
/// `exports_file_key` of the database does the same.
#[must_use]
pub fn file_key(first_key: &str, number: u32) -> String {
    let name = first_key.rfind('/').map_or(0, |slash| slash + 1);
    match first_key[name..].find('.') {
        Some(dot) if number > 1 => {
            let (stem, extension) = first_key.split_at(name + dot);
            format!("{stem}-{number:04}{extension}")
        }
        _ => first_key.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_round_trip() {
        let file = |rows| SplitFile {
            row_count: rows,
            size_bytes: rows * 200,
            sha256: [u8::try_from(rows % 251).unwrap(); 32],
        };
        for files in [vec![], vec![file(1)], vec![file(1000), file(1000), file(7)]] {
            let stored = text(&files);
            assert_eq!(*parse(Uuid::nil(), &stored).unwrap(), *files, "{stored}");
        }
    }

    #[test]
    fn what_is_no_list_of_files_is_an_error() {
        for stored in [
            "{}",
            "[1]",
            r#"[{"rows": 1, "bytes": 2, "sha256": "ab"}]"#,
            r#"[{"rows": -1, "bytes": 2, "sha256": ""}]"#,
        ] {
            let read = parse(Uuid::nil(), stored);
            assert!(matches!(read, Err(Error::Corrupt { .. })), "{stored}");
        }
    }

    #[test]
    fn a_key_has_the_number_of_its_file() {
        let first = "proj_a.b/01935abc/1-0193.csv.gz";
        assert_eq!(file_key(first, 1), first);
        assert_eq!(file_key(first, 2), "proj_a.b/01935abc/1-0193-0002.csv.gz");
        assert_eq!(
            file_key(first, 12_345),
            "proj_a.b/01935abc/1-0193-12345.csv.gz"
        );
    }
}
