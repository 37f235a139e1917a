//! Parses durations.

use std::time::Duration;

/// Parses `90s`, `15m`, `7d`, `1h 30m` …. The minimum is one second, the maximum a hundred years.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    const MAX: Duration = Duration::from_hours(100 * 366 * 24);
    let duration = humantime::parse_duration(text)
        .map_err(|_| "must be a time with a unit such as 90s, 15m or 7d".to_owned())?;
    if duration < Duration::from_secs(1) {
        return Err("must be one second or more".to_owned());
    }
    if duration > MAX {
        return Err("must be a hundred years or less".to_owned());
    }
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units_and_limits() {
        assert_eq!(parse_duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("7d"), Ok(Duration::from_hours(168)));
        assert_eq!(parse_duration("1h 30m"), Ok(Duration::from_mins(90)));
        for bad in [
            "",
            "7",
            "0s",
            "999ms",
            "-1s",
            "soon",
            "1000000000000y",
            "101years",
        ] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }
}
