//! The findings of the checks and their output.

use serde_json::json;

use crate::error::Result;
use crate::output::print;
use crate::table::printable;

/// The result of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It works.
    Ok,
    /// It works, but the operator should change something.
    Warn,
    /// It does not work.
    Fail,
    /// It could not be checked, or does not apply.
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

/// The verdict and its explanation. If it is not ok, the text says what to do.
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

    pub(super) fn is_ok(&self) -> bool {
        self.verdict == Verdict::Ok
    }

    fn new(verdict: Verdict, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { verdict, text }
    }
}

/// Prints each finding immediately, and counts failures.
#[derive(Debug)]
pub(super) struct Report {
    is_json: bool,
    pub(super) failures: usize,
}

impl Report {
    /// With `is_json`, each finding is a JSON object on a line of its own.
    pub(super) fn new(is_json: bool) -> Self {
        Self {
            is_json,
            failures: 0,
        }
    }

    pub(super) fn add(&mut self, what: &str, finding: &Finding) -> Result<()> {
        if finding.verdict == Verdict::Fail {
            self.failures += 1;
        }
        if self.is_json {
            let line = json!({
                "check": what.replace([' ', '-'], "_").to_lowercase(),
                "verdict": finding.verdict.word().to_lowercase(),
                "text": finding.text,
            });
            return print(&line.to_string());
        }
        let text = printable(&finding.text);
        print(&format!("{:4}  {what:18}  {text}", finding.verdict.word()))
    }
}
