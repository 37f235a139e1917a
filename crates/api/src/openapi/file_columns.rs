//! The columns of the file, as Markdown.

use exports_domain::Direction;
use exports_formats::csv::columns;

/// A paragraph and a table for each direction.
pub(super) fn description() -> String {
    Direction::ALL.iter().copied().map(table).collect()
}

fn table(direction: Direction) -> String {
    let rows = columns(direction).iter();
    let rows: Vec<_> = rows
        .map(|column| format!("| `{}` | {} |", column.name, column.meaning))
        .collect();
    format!(
        "\n\nThe columns of an {direction} export, in this order:\n\n| column | meaning |\n|---|---|\n{}",
        rows.join("\n")
    )
}
