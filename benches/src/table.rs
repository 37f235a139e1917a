//! The table of all results, as Markdown, on standard output and in a file.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};

use crate::fixture::Fixture;

mod machine;

use machine::Machine;

/// The limit of a ratio or of a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Limit {
    /// No limit.
    None,
    AtMost(f64),
    AtLeast(f64),
}

/// A line of the table.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    point: u8,
    what: String,
    ours: String,
    baseline: String,
    /// The ratio, as text.
    ratio: String,
    limit: Limit,
    met: Option<bool>,
}

impl Row {
    /// A result of a point, without comparison and limit.
    pub(crate) fn new(point: u8, what: impl Into<String>, ours: impl Into<String>) -> Self {
        Self {
            point,
            what: what.into(),
            ours: ours.into(),
            baseline: String::new(),
            ratio: String::new(),
            limit: Limit::None,
            met: None,
        }
    }

    /// Adds the baseline and the ratio.
    pub(crate) fn against(mut self, baseline: impl Into<String>, ratio: f64, limit: Limit) -> Self {
        self.baseline = baseline.into();
        self.ratio = format!("{ratio:.2}");
        self.limit = limit;
        self.met = limit.met(ratio);
        self
    }

    /// Says why there is no baseline.
    pub(crate) fn not_compared(mut self, why: impl Into<String>) -> Self {
        self.baseline = why.into();
        self
    }

    /// Adds a limit for the value itself, in the unit of the limit.
    pub(crate) fn held_to(mut self, value: f64, limit: Limit) -> Self {
        self.limit = limit;
        self.met = limit.met(value);
        self
    }
}

impl Limit {
    fn met(self, value: f64) -> Option<bool> {
        match self {
            Self::None => None,
            // NaN, without a measurement, is never within a limit.
            Self::AtMost(most) => Some(value <= most),
            Self::AtLeast(least) => Some(value >= least),
        }
    }

    fn shown(self) -> String {
        match self {
            Self::None => String::new(),
            Self::AtMost(most) => format!("≤ {most}"),
            Self::AtLeast(least) => format!("≥ {least}"),
        }
    }
}

/// All rows so far, and notes about them.
#[derive(Debug)]
pub(crate) struct Table {
    machine: Machine,
    /// Whether limits are checked: not with `--quick`.
    checks_limits: bool,
    rows: Vec<Row>,
    notes: Vec<(String, String)>,
}

impl Table {
    /// An empty table of this machine and the fixture's PostgreSQL.
    pub(crate) async fn new(fixture: &Fixture) -> Result<Self> {
        Ok(Self {
            machine: Machine::describe(fixture).await?,
            checks_limits: !fixture.quick(),
            rows: Vec::new(),
            notes: Vec::new(),
        })
    }

    /// Adds a row, and prints it on standard error at once.
    pub(crate) fn add(&mut self, mut row: Row) {
        if !self.checks_limits {
            row.met = None;
        }
        eprintln!("{}", line(&row));
        self.rows.push(row);
    }

    /// Adds a note of Markdown lines.
    pub(crate) fn note(&mut self, title: impl Into<String>, text: impl Into<String>) {
        self.notes.push((title.into(), text.into()));
    }

    /// Prints the table without the notes.
    pub(crate) fn print(&self) -> Result<()> {
        print(&self.lines())
    }

    /// Prints the table with the notes.
    pub(crate) fn print_with_notes(&self) -> Result<()> {
        print(&(self.lines() + &self.notes()))
    }

    /// Writes the table and the notes into a file.
    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        let (lines, notes) = (self.lines(), self.notes());
        let text = format!("# Benchmarks\n\n{}{lines}{notes}", self.machine);
        fs::write(file, text).with_context(|| file.display().to_string())
    }

    fn lines(&self) -> String {
        let mut text = String::from(
            "| point | measurement | ours | compared with | ratio | limit | met |\n\
             |---|---|---|---|---|---|---|\n",
        );
        // By point, not in the order of measurement.
        let mut rows: Vec<_> = self.rows.iter().collect();
        rows.sort_by_key(|row| row.point);
        for row in rows {
            text.push_str(&line(row));
            text.push('\n');
        }
        text
    }

    fn notes(&self) -> String {
        let notes = self.notes.iter();
        let blocks: Vec<_> = notes
            .map(|(title, note)| format!("\n### {title}\n\n{}\n", note.trim_end()))
            .collect();
        blocks.concat()
    }
}

fn print(text: &str) -> Result<()> {
    let mut output = std::io::stdout().lock();
    write!(output, "{text}").context("standard output")
}

fn line(row: &Row) -> String {
    let met = match row.met {
        None => "",
        Some(true) => "yes",
        Some(false) => "**no**",
    };
    format!(
        "| {} | {} | {} | {} | {} | {} | {met} |",
        row.point,
        row.what,
        row.ours,
        row.baseline,
        row.ratio,
        row.limit.shown(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_whether_its_bar_holds() {
        let row = Row::new(1, "export", "3.00 s").against("10.00 s", 0.3, Limit::AtMost(0.3));
        assert_eq!(
            line(&row),
            "| 1 | export | 3.00 s | 10.00 s | 0.30 | ≤ 0.3 | yes |"
        );
        let row = Row::new(4, "memory", "97 MiB").held_to(97.0, Limit::AtMost(96.0));
        assert_eq!(line(&row), "| 4 | memory | 97 MiB |  |  | ≤ 96 | **no** |");
        assert_eq!(line(&Row::new(5, "a", "b")), "| 5 | a | b |  |  |  |  |");
    }

    #[test]
    fn what_was_not_measured_holds_nothing() {
        assert_eq!(Limit::AtMost(1.0).met(f64::NAN), Some(false));
        assert_eq!(Limit::AtLeast(1.0).met(f64::NAN), Some(false));
    }
}
