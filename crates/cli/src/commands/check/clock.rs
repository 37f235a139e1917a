//! How far another clock is from this machine's: links that are signed by a wrong one do not open.

use chrono::{DateTime, TimeDelta, Utc};

use super::report::Finding;

/// From here on it is worth a look.
const WORTH_A_LOOK: TimeDelta = TimeDelta::seconds(1);
/// From here on links are refused, or live longer than they should.
const TOO_FAR: TimeDelta = TimeDelta::seconds(30);

/// Judges a clock that said `theirs` between two looks at ours; `grain` is how coarsely it tells.
pub(super) fn compare(
    theirs: DateTime<Utc>,
    before: DateTime<Utc>,
    after: DateTime<Utc>,
    grain: TimeDelta,
) -> Finding {
    // What lies between the looks, or within a grain of them, is no difference.
    let ahead = theirs - after;
    let behind = before - (theirs + grain);
    let apart = ahead.max(behind).max(TimeDelta::zero());
    let seconds = apart.as_seconds_f64();
    let mend = "run a time service (NTP) on both machines";
    if apart > TOO_FAR {
        Finding::fail(format!(
            "{seconds:.1} s from this machine's, signed links break: {mend}"
        ))
    } else if apart > WORTH_A_LOOK {
        Finding::warn(format!("{seconds:.1} s from this machine's: {mend}"))
    } else {
        Finding::ok("within a second of this machine's")
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Verdict;
    use super::*;

    #[test]
    fn a_clock_is_judged_by_what_the_looks_do_not_explain() {
        let at = |millis: i64| DateTime::from_timestamp_millis(1_000_000 + millis).unwrap();
        let judge = |theirs, grain| {
            let grain = TimeDelta::milliseconds(grain);
            compare(at(theirs), at(0), at(2_000), grain).verdict
        };
        assert_eq!(judge(1_000, 0), Verdict::Ok);
        assert_eq!(judge(2_900, 0), Verdict::Ok);
        assert_eq!(judge(3_100, 0), Verdict::Warn);
        assert_eq!(judge(-1_500, 0), Verdict::Warn);
        assert_eq!(judge(-1_500, 1_000), Verdict::Ok);
        assert_eq!(judge(33_000, 0), Verdict::Fail);
        assert_eq!(judge(-31_000, 0), Verdict::Fail);
    }
}
