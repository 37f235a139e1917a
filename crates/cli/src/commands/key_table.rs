//! Keys as `exportctl key list` shows them.

use chrono::{DateTime, Utc};
use exports_storage::ApiKey;

const COLUMNS: [&str; 7] = [
    "ID",
    "PROJECT",
    "PREFIX",
    "CREATED",
    "LAST USED",
    "REVOKED",
    "LABEL",
];

/// A line for each key below a header, columns as wide as they need to be.
pub(super) fn table(keys: &[ApiKey]) -> String {
    let mut rows = vec![COLUMNS.map(str::to_owned)];
    rows.extend(keys.iter().map(cells));
    let mut widths = [0; COLUMNS.len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let lines = rows.iter().map(|row| {
        let cells = row.iter().zip(widths);
        let cells: Vec<_> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        cells.join("  ").trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn cells(key: &ApiKey) -> [String; COLUMNS.len()] {
    [
        key.id.to_string(),
        key.project_id.clone(),
        key.prefix.clone(),
        seconds(Some(key.created_at)),
        seconds(key.last_used_at),
        seconds(key.revoked_at),
        // Free text, which must neither add rows nor steer the terminal.
        key.label
            .iter()
            .flat_map(|label| label.chars())
            .map(|char| if char.is_control() { ' ' } else { char })
            .collect(),
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
    fn a_label_cannot_steer_the_terminal_or_add_rows() {
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
