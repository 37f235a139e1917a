//! Checks the values of the source with a bounded sample, because a view may map them in another way.

use exports_domain::error_line;
use exports_source::{Effect, Error as SourceError, SourceSession, ValueFault, ValueSample};

use super::report::{Finding, Report};
use crate::error::Result;

pub(super) async fn check(
    report: &mut Report,
    session: &mut SourceSession,
    is_readable: bool,
) -> Result<()> {
    for (relation, what) in [
        ("endpoints", "endpoints values"),
        ("messages", "messages values"),
    ] {
        if !is_readable {
            report.add(what, &Finding::skip("the relation cannot be read"))?;
            continue;
        }
        match session.sample_values(relation).await {
            Ok(Some(sample)) => findings(report, what, &sample)?,
            Ok(None) => {
                let text =
                    format!("{relation}: a few rows take longer than 3 s, so no value was checked");
                report.add(what, &Finding::warn(text))?;
            }
            Err(error) => report.add(what, &unreadable(relation, &error))?,
        }
    }
    Ok(())
}

fn findings(report: &mut Report, what: &str, sample: &ValueSample) -> Result<()> {
    let extent = match (sample.rows, sample.is_complete) {
        (0, true) => {
            let text = "there are no rows yet: run the check again later";
            return report.add(what, &Finding::skip(text));
        }
        (rows, true) => format!("all {rows} rows"),
        (rows, false) => format!("a sample of {rows} rows (there are more)"),
    };
    if sample.faults.is_empty() {
        let text = format!("{extent} have the expected values");
        return report.add(what, &Finding::ok(text));
    }
    for fault in &sample.faults {
        report.add(what, &finding(fault, sample, &extent))?;
    }
    Ok(())
}

fn finding(fault: &ValueFault, sample: &ValueSample, extent: &str) -> Finding {
    const FIX: &str = "correct the view or the rows";
    let ValueFault { text, rows, effect } = fault;
    let found = format!("{text} ({rows} of {extent})");
    match effect {
        Effect::Fails => Finding::fail(format!(
            "{found}: exports that meet such a row fail with INVALID_DATA; {FIX}"
        )),
        Effect::LeftOut => Finding::fail(format!("{found}: these rows are in no file; {FIX}")),
        Effect::NoUrl => Finding::fail(format!("{found}: files lack these URLs; {FIX}")),
        // Single rows of others harm nobody. If it is all of them, the ids are mapped in a wrong way.
        Effect::OfNoProject if *rows == sample.rows => {
            Finding::fail(format!("{found}: no row is in any file; {FIX}"))
        }
        Effect::OfNoProject => Finding::warn(format!("{found}: these rows are in no file")),
        Effect::Written => Finding::warn(format!("{found}: files have it as it is")),
    }
}

fn unreadable(relation: &str, error: &SourceError) -> Finding {
    let reason = error_line(error);
    if error.is_data() {
        return Finding::fail(format!(
            "a value of {relation} cannot be converted: {reason}: exports that meet such a row fail with \
             INVALID_DATA; correct the view or the rows"
        ));
    }
    Finding::fail(format!("the values of {relation} cannot be read: {reason}"))
}
