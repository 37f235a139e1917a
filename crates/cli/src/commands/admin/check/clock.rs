//! Compares another clock with this machine's. A wrong clock breaks signed links.

use chrono::{DateTime, TimeDelta, Utc};

use super::report::Finding;

/// Warn from this difference on.
const WARN_FROM: TimeDelta = TimeDelta::seconds(1);
/// From this difference on stores may refuse links, or links live too long.
const FAIL_FROM: TimeDelta = TimeDelta::seconds(30);

/// Compares `theirs`, which was read between `before` and `after` of our clock, with `resolution`.
pub(super) fn compare(
    theirs: DateTime<Utc>,
    before: DateTime<Utc>,
    after: DateTime<Utc>,
    resolution: TimeDelta,
) -> Finding {
    // A time between our two readings, within the resolution, counts as equal.
    let ahead = theirs - after;
    let behind = before - (theirs + resolution);
    let difference = ahead.max(behind).max(TimeDelta::zero());
    let seconds = difference.as_seconds_f64();
    let fix = "synchronize both clocks with NTP";
    if difference > FAIL_FROM {
        Finding::fail(format!(
            "differs by {seconds:.1} s from this machine's clock, so signed links fail: {fix}"
        ))
    } else if difference > WARN_FROM {
        Finding::warn(format!(
            "differs by {seconds:.1} s from this machine's clock: {fix}"
        ))
    } else {
        Finding::ok("differs by less than 1 s from this machine's clock")
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Verdict;
    use super::*;

    #[test]
    fn only_a_difference_beyond_the_measurement_interval_is_reported() {
        let at = |millis: i64| DateTime::from_timestamp_millis(1_000_000 + millis).unwrap();
        let verdict = |theirs, grain| {
            let grain = TimeDelta::milliseconds(grain);
            compare(at(theirs), at(0), at(2_000), grain).verdict
        };
        assert_eq!(verdict(1_000, 0), Verdict::Ok);
        assert_eq!(verdict(2_900, 0), Verdict::Ok);
        assert_eq!(verdict(3_100, 0), Verdict::Warn);
        assert_eq!(verdict(-1_500, 0), Verdict::Warn);
        assert_eq!(verdict(-1_500, 1_000), Verdict::Ok);
        assert_eq!(verdict(33_000, 0), Verdict::Fail);
        assert_eq!(verdict(-31_000, 0), Verdict::Fail);
    }
}
