//! Progress on standard error: a bar on a terminal, otherwise a line every two seconds.

use std::fmt::Write;
use std::time::{Duration, Instant};

use indicatif::{
    HumanBytes, HumanCount, HumanFloatCount, ProgressBar, ProgressState, ProgressStyle,
};

use crate::output::note;

/// The unit of the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Messages,
    Bytes,
}

/// Progress towards a known total. If it is dropped before `finish`, the bar disappears.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    what: &'static str,
    unit: Unit,
    total: u64,
    printed_at: Instant,
    started_at: Instant,
}

/// Between two lines without a terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(2);
/// Between two frames on a terminal.
const FRAME_INTERVAL: Duration = Duration::from_millis(100);
const SPINNER: &str = "{prefix} {spinner} {msg}, {elapsed}";
/// Frames of the spinner.
const FRAMES: [&str; 11] = [
    "[=---------]",
    "[-=--------]",
    "[--=-------]",
    "[---=------]",
    "[----=-----]",
    "[-----=----]",
    "[------=---]",
    "[-------=--]",
    "[--------=-]",
    "[---------=]",
    "[==========]",
];

impl Unit {
    fn show(self, amount: u64) -> String {
        match self {
            Self::Messages => HumanCount(amount).to_string(),
            Self::Bytes => HumanBytes(amount).to_string(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Messages => " messages",
            Self::Bytes => "",
        }
    }

    fn template(self) -> &'static str {
        match self {
            Self::Messages => {
                "{prefix} [{bar:32}] {human_pos} of {human_len} messages, {rate}/s, {eta} left"
            }
            Self::Bytes => {
                "{prefix} [{bar:32}] {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left"
            }
        }
    }
}

impl Progress {
    pub(crate) fn new(what: &'static str, unit: Unit, total: u64) -> Self {
        let style = style(unit.template()).progress_chars("=> ");
        Self {
            bar: visible(ProgressBar::new(total).with_prefix(what), style),
            what,
            unit,
            total,
            printed_at: Instant::now(),
            started_at: Instant::now(),
        }
    }

    /// Shows the amount that is done.
    pub(crate) fn set(&mut self, done: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(done);
        } else if self.printed_at.elapsed() >= LINE_INTERVAL {
            self.printed_at = Instant::now();
            let unit = self.unit;
            let (done, total) = (unit.show(done), unit.show(self.total));
            note(&format!("{} {done} of {total}{}", self.what, unit.name()));
        }
    }

    /// Replaces the bar with a final line.
    pub(crate) fn finish(self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        note(&format!(
            "{} {}{} in {:.1} s",
            self.what,
            self.unit.show(self.total),
            self.unit.name(),
            self.started_at.elapsed().as_secs_f64()
        ));
    }
}

/// Progress without a total: shows the current state.
#[derive(Debug)]
pub(crate) struct Waiting {
    bar: Option<ProgressBar>,
    what: &'static str,
    state: String,
    printed_at: Instant,
    started_at: Instant,
}

impl Waiting {
    pub(crate) fn new(what: &'static str, state: &str) -> Self {
        let style = style(SPINNER).tick_strings(&FRAMES);
        let mut waiting = Self {
            bar: visible(ProgressBar::new_spinner().with_prefix(what), style),
            what,
            state: String::new(),
            printed_at: Instant::now(),
            started_at: Instant::now(),
        };
        waiting.set(state);
        waiting
    }

    /// Shows this state.
    pub(crate) fn set(&mut self, state: &str) {
        let changed = self.state != state;
        if let Some(bar) = &self.bar {
            bar.set_message(state.to_owned());
        } else if changed || self.printed_at.elapsed() >= LINE_INTERVAL {
            self.printed_at = Instant::now();
            self.print(state);
        }
        if changed {
            state.clone_into(&mut self.state);
        }
    }

    /// Replaces the bar with a final line.
    pub(crate) fn finish(self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
            self.print(&self.state);
        }
    }

    fn print(&self, state: &str) {
        let seconds = self.started_at.elapsed().as_secs_f64();
        note(&format!("{} {state}, {seconds:.1} s", self.what));
    }
}

/// `None` if standard error is not a terminal: `indicatif` hides the bar then.
fn visible(bar: ProgressBar, style: ProgressStyle) -> Option<ProgressBar> {
    if bar.is_hidden() {
        return None;
    }
    bar.set_style(style);
    bar.enable_steady_tick(FRAME_INTERVAL);
    Some(bar)
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .expect("the templates are constants, and tested")
        // The built-in `per_sec` has four decimals.
        .with_key("rate", |state: &ProgressState, to: &mut dyn Write| {
            // An error only affects the display.
            let _ = write!(to, "{:.0}", HumanFloatCount(state.per_sec()));
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_valid() {
        for template in [Unit::Messages.template(), Unit::Bytes.template(), SPINNER] {
            style(template);
        }
    }
}
