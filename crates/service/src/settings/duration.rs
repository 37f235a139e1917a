//! Durations as people write them.

use std::time::Duration;

/// Reads `90s`, `15m`, `7d`, `1h 30m` …; one second at the least, a hundred years at the most.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    const LONGEST: Duration = Duration::from_hours(100 * 366 * 24);
    let duration = humantime::parse_duration(text)
        .map_err(|_| "expected a duration such as 90s, 15m or 7d".to_owned())?;
    if duration < Duration::from_secs(1) {
        return Err("must be one second or more".to_owned());
    }
    if duration > LONGEST {
        return Err("must be a hundred years or less".to_owned());
    }
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them_from_one_second_up() {
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
