//! The lines of a check, and whether all went well.

use crate::error::Result;
use crate::output::print;
use crate::table::printable;

/// How one thing was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// As it has to be.
    Ok,
    /// It works, and somebody should look at it.
    Warn,
    /// It does not work.
    Fail,
    /// It could not be asked, or does not apply.
    Skip,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
            Self::Skip => "skip",
        }
    }
}

/// One line of a check: what, and what was found; if it is not well, what to do.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) verdict: Verdict,
    pub(super) text: String,
}

impl Finding {
    pub(super) fn ok(text: impl Into<String>) -> Self {
        Self::new(Verdict::Ok, text)
    }

    pub(super) fn warn(text: impl Into<String>) -> Self {
        Self::new(Verdict::Warn, text)
    }

    pub(super) fn fail(text: impl Into<String>) -> Self {
        Self::new(Verdict::Fail, text)
    }

    pub(super) fn skip(text: impl Into<String>) -> Self {
        Self::new(Verdict::Skip, text)
    }

    fn new(verdict: Verdict, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { verdict, text }
    }
}

/// Prints each finding as it comes, and counts those that are failures.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) failures: usize,
}

impl Report {
    pub(super) fn add(&mut self, what: &str, finding: &Finding) -> Result<()> {
        if finding.verdict == Verdict::Fail {
            self.failures += 1;
        }
        let text = printable(&finding.text);
        print(&format!("{:4}  {what:18}  {text}", finding.verdict.word()))
    }
}
