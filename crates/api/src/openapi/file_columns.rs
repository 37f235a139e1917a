//! The columns of the file, as Markdown.

use exports_domain::{Column, Direction};

/// A paragraph and a table for each direction.
pub(super) fn description() -> String {
    Direction::ALL.iter().copied().map(table).collect()
}

fn table(direction: Direction) -> String {
    let rows = Column::all_of(direction).iter();
    let rows: Vec<_> = rows
        .map(|column| format!("| `{column}` | {} |", column.meaning()))
        .collect();
    format!(
        "\n\nThe columns of an {direction} export, in this order:\n\n| column | meaning |\n|---|---|\n{}",
        rows.join("\n")
    )
}
