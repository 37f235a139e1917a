//! The one table that everything measured goes into, and its form: Markdown, on standard output
//! and in the file that keeps it.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};

use crate::scene::Scene;

mod machine;

use machine::Machine;

/// What the issue asks of a ratio, or of a figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Bar {
    /// Nothing: the figure is told.
    Told,
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
    /// What is held to the bar, as it is shown.
    figure: String,
    bar: Bar,
    holds: Option<bool>,
}

impl Row {
    /// A figure of the point of that number, compared with nothing and held to nothing.
    pub(crate) fn new(point: u8, what: impl Into<String>, ours: impl Into<String>) -> Self {
        Self {
            point,
            what: what.into(),
            ours: ours.into(),
            baseline: String::new(),
            figure: String::new(),
            bar: Bar::Told,
            holds: None,
        }
    }

    /// What it is compared with, and the ratio of the two.
    pub(crate) fn against(mut self, baseline: impl Into<String>, ratio: f64, bar: Bar) -> Self {
        self.baseline = baseline.into();
        self.figure = format!("{ratio:.2}");
        self.bar = bar;
        self.holds = bar.holds(ratio);
        self
    }

    /// Held to a bar as it is: `value` in the bar's unit.
    pub(crate) fn held_to(mut self, value: f64, bar: Bar) -> Self {
        self.bar = bar;
        self.holds = bar.holds(value);
        self
    }
}

impl Bar {
    fn holds(self, value: f64) -> Option<bool> {
        match self {
            Self::Told => None,
            // NaN, for want of a measurement, holds nothing.
            Self::AtMost(most) => Some(value <= most),
            Self::AtLeast(least) => Some(value >= least),
        }
    }

    fn shown(self) -> String {
        match self {
            Self::Told => String::new(),
            Self::AtMost(most) => format!("≤ {most}"),
            Self::AtLeast(least) => format!("≥ {least}"),
        }
    }
}

/// All rows so far, and what has to be said about them.
#[derive(Debug)]
pub(crate) struct Table {
    machine: Machine,
    /// Whether bars count: of a run that tries the benchmarks out they say nothing.
    judges: bool,
    rows: Vec<Row>,
    notes: Vec<(String, String)>,
}

impl Table {
    /// An empty one, of this machine and the scene's PostgreSQL.
    pub(crate) async fn new(scene: &Scene) -> Result<Self> {
        Ok(Self {
            machine: Machine::describe(scene).await?,
            judges: !scene.quick(),
            rows: Vec::new(),
            notes: Vec::new(),
        })
    }

    /// Adds a line, and says it at once on standard error, since the whole takes long.
    pub(crate) fn add(&mut self, mut row: Row) {
        if !self.judges {
            row.holds = None;
        }
        eprintln!("{}", line(&row));
        self.rows.push(row);
    }

    /// Adds a remark, with a title, which may hold several lines of Markdown.
    pub(crate) fn note(&mut self, title: impl Into<String>, text: impl Into<String>) {
        self.notes.push((title.into(), text.into()));
    }

    /// On standard output, without the notes.
    pub(crate) fn print(&self) -> Result<()> {
        print(&self.lines())
    }

    /// On standard output, for a run whose table is not kept.
    pub(crate) fn print_with_notes(&self) -> Result<()> {
        print(&(self.lines() + &self.remarks()))
    }

    /// Into the file that keeps it, in place of what is there.
    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        let (lines, remarks) = (self.lines(), self.remarks());
        let text = format!("# Benchmarks\n\n{}{lines}{remarks}", self.machine);
        fs::write(file, text).with_context(|| file.display().to_string())
    }

    fn lines(&self) -> String {
        let mut text = String::from(
            "| point | what | ours | compared with | ratio | bar | holds |\n\
             |---|---|---|---|---|---|---|\n",
        );
        // By point, not by the order in which topics were measured.
        let mut rows: Vec<_> = self.rows.iter().collect();
        rows.sort_by_key(|row| row.point);
        for row in rows {
            text.push_str(&line(row));
            text.push('\n');
        }
        text
    }

    fn remarks(&self) -> String {
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
    let holds = match row.holds {
        None => "",
        Some(true) => "yes",
        Some(false) => "**no**",
    };
    format!(
        "| {} | {} | {} | {} | {} | {} | {holds} |",
        row.point,
        row.what,
        row.ours,
        row.baseline,
        row.figure,
        row.bar.shown(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_whether_its_bar_holds() {
        let row = Row::new(1, "export", "3.00 s").against("10.00 s", 0.3, Bar::AtMost(0.3));
        assert_eq!(
            line(&row),
            "| 1 | export | 3.00 s | 10.00 s | 0.30 | ≤ 0.3 | yes |"
        );
        let row = Row::new(4, "memory", "97 MiB").held_to(97.0, Bar::AtMost(96.0));
        assert_eq!(line(&row), "| 4 | memory | 97 MiB |  |  | ≤ 96 | **no** |");
        assert_eq!(line(&Row::new(5, "a", "b")), "| 5 | a | b |  |  |  |  |");
    }

    #[test]
    fn what_was_not_measured_holds_nothing() {
        assert_eq!(Bar::AtMost(1.0).holds(f64::NAN), Some(false));
        assert_eq!(Bar::AtLeast(1.0).holds(f64::NAN), Some(false));
    }
}
