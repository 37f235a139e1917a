//! How far something is: a bar on a terminal, a line now and then elsewhere. On standard error.

use std::fmt::Write;
use std::time::{Duration, Instant};

use indicatif::{
    HumanBytes, HumanCount, HumanFloatCount, ProgressBar, ProgressState, ProgressStyle,
};

use crate::output::note;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Messages,
    Bytes,
}

/// Something whose end is known. Dropped before `finish`, it leaves nothing on the terminal.
#[derive(Debug)]
pub(crate) struct Progress {
    form: Form,
    what: &'static str,
    unit: Unit,
    total: u64,
    begun: Instant,
}

#[derive(Debug)]
enum Form {
    Bar(ProgressBar),
    Lines { said: Instant },
}

/// Between two lines, where there is no terminal.
const BETWEEN_LINES: Duration = Duration::from_secs(2);
/// Between two frames, where there is one.
const BETWEEN_FRAMES: Duration = Duration::from_millis(100);
/// Frames of a bar whose end is not known.
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
        let bar = ProgressBar::new(total).with_prefix(what);
        // Hidden is what `indicatif` makes of a standard error that is no terminal.
        let form = if bar.is_hidden() {
            Form::Lines {
                said: Instant::now(),
            }
        } else {
            bar.set_style(style(unit.template()).progress_chars("=> "));
            bar.enable_steady_tick(BETWEEN_FRAMES);
            Form::Bar(bar)
        };
        Self {
            form,
            what,
            unit,
            total,
            begun: Instant::now(),
        }
    }

    /// So much is done.
    pub(crate) fn set(&mut self, done: u64) {
        match &mut self.form {
            Form::Bar(bar) => bar.set_position(done),
            Form::Lines { said } if said.elapsed() >= BETWEEN_LINES => {
                *said = Instant::now();
                let unit = self.unit;
                let (done, total) = (unit.show(done), unit.show(self.total));
                note(&format!("{} {done} of {total}{}", self.what, unit.name()));
            }
            Form::Lines { .. } => {}
        }
    }

    /// All is done: the bar goes, a line stays.
    pub(crate) fn finish(self) {
        if let Form::Bar(bar) = &self.form {
            bar.finish_and_clear();
        }
        note(&format!(
            "{} {}{} in {:.1} s",
            self.what,
            self.unit.show(self.total),
            self.unit.name(),
            self.begun.elapsed().as_secs_f64()
        ));
    }
}

/// Something whose end is not known, only the state that it is in.
#[derive(Debug)]
pub(crate) struct Waiting {
    bar: Option<ProgressBar>,
    what: &'static str,
    state: String,
    said: Instant,
    begun: Instant,
}

impl Waiting {
    pub(crate) fn new(what: &'static str, state: &str) -> Self {
        let bar = ProgressBar::new_spinner().with_prefix(what);
        let shown = !bar.is_hidden();
        if shown {
            let style = style("{prefix} {spinner} {msg}, {elapsed}");
            bar.set_style(style.tick_strings(&FRAMES));
            bar.enable_steady_tick(BETWEEN_FRAMES);
        }
        let mut waiting = Self {
            bar: shown.then_some(bar),
            what,
            state: String::new(),
            said: Instant::now(),
            begun: Instant::now(),
        };
        waiting.set(state);
        waiting
    }

    /// It is in this state.
    pub(crate) fn set(&mut self, state: &str) {
        let news = self.state != state;
        if let Some(bar) = &self.bar {
            bar.set_message(state.to_owned());
        } else if news || self.said.elapsed() >= BETWEEN_LINES {
            self.said = Instant::now();
            self.say(state);
        }
        if news {
            state.clone_into(&mut self.state);
        }
    }

    /// It is over: the bar goes, a line stays.
    pub(crate) fn finish(self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
            self.say(&self.state);
        }
    }

    fn say(&self, state: &str) {
        let seconds = self.begun.elapsed().as_secs_f64();
        note(&format!("{} {state}, {seconds:.1} s", self.what));
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .expect("the templates are constants, and tested")
        // `per_sec` has four decimals.
        .with_key("rate", |state: &ProgressState, to: &mut dyn Write| {
            // What a bar cannot show is no reason to stop.
            let _ = write!(to, "{:.0}", HumanFloatCount(state.per_sec()));
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_well_formed() {
        for template in [
            Unit::Messages.template(),
            Unit::Bytes.template(),
            "{prefix} {spinner} {msg}, {elapsed}",
        ] {
            style(template);
        }
    }
}
