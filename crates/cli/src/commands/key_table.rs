//! The table of `exportctl key list`.

use chrono::{DateTime, Utc};
use exports_database::ApiKey;

use crate::table::printable;

const COLUMNS: [&str; 7] = [
    "ID",
    "PROJECT",
    "PREFIX",
    "CREATED",
    "LAST USED",
    "REVOKED",
    "LABEL",
];

/// A header and one line per key.
pub(super) fn table(keys: &[ApiKey]) -> String {
    crate::table::table(COLUMNS, keys.iter().map(cells))
}

fn cells(key: &ApiKey) -> [String; COLUMNS.len()] {
    [
        key.id.to_string(),
        key.project_id.clone(),
        key.prefix.clone(),
        seconds(Some(key.created_at)),
        seconds(key.last_used_at),
        seconds(key.revoked_at),
        printable(key.label.as_deref().unwrap_or_default()),
    ]
}

fn seconds(time: Option<DateTime<Utc>>) -> String {
    time.map_or_else(
        || "-".to_owned(),
        |time| time.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_cannot_control_the_terminal_or_add_rows() {
        let text = table(&[ApiKey {
            id: uuid::Uuid::nil(),
            project_id: "proj_a".to_owned(),
            prefix: "exk_00000001".to_owned(),
            label: Some("a\n\u{1b}[31mb".to_owned()),
            created_at: DateTime::UNIX_EPOCH,
            last_used_at: None,
            revoked_at: None,
        }]);
        assert_eq!(text.lines().count(), 2);
        assert!(text.ends_with("a  [31mb"), "{text:?}");
    }
}
