//! A number of events in a time: `200/s`, `60/1m`.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use super::LimitError;

/// The units of a rate's time, in seconds.
const UNITS: [(&str, u32); 4] = [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)];
const MAX_COUNT: u32 = 1_000_000;
/// A day, in seconds.
const MAX_PERIOD: u32 = 86_400;

/// At most this many events in this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    count: NonZeroU32,
    /// In seconds.
    period: NonZeroU32,
}

impl Rate {
    /// The number of events.
    #[must_use]
    pub const fn count(self) -> NonZeroU32 {
        self.count
    }

    /// The time, in whole seconds: 1 second to 1 day.
    #[must_use]
    pub const fn period(self) -> Duration {
        Duration::from_secs(self.period.get() as u64)
    }
}

impl FromStr for Rate {
    type Err = LimitError;

    /// Parses a number, a slash and a time. A time of one unit may leave out its number: `200/s`.
    fn from_str(text: &str) -> Result<Self, LimitError> {
        let (count, time) = text.split_once('/').ok_or(LimitError::Rate)?;
        let (unit, seconds) = UNITS
            .into_iter()
            .find(|(unit, _)| time.ends_with(unit))
            .ok_or(LimitError::Rate)?;
        let amount = match &time[..time.len() - unit.len()] {
            "" => 1,
            amount => number(amount, MAX_PERIOD)?.get(),
        };
        let period = amount.checked_mul(seconds).and_then(NonZeroU32::new);
        Ok(Self {
            count: number(count, MAX_COUNT)?,
            period: period
                .filter(|period| period.get() <= MAX_PERIOD)
                .ok_or(LimitError::Rate)?,
        })
    }
}

/// A number from 1 to `max`, of digits only: `parse` alone accepts a plus sign.
fn number(text: &str, max: u32) -> Result<NonZeroU32, LimitError> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number: Option<NonZeroU32> = text.parse().ok();
    number
        .filter(|number| digits && number.get() <= max)
        .ok_or(LimitError::Rate)
}

/// The shortest form that [`Rate`] parses, in the largest unit. One second is `s`, one minute is `1m`.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, period) = (self.count, self.period.get());
        if period == 1 {
            return write!(f, "{count}/s");
        }
        let mut units = UNITS.into_iter();
        // Every number of seconds is divisible by the last unit.
        let (unit, seconds) = units
            .find(|(_, seconds)| period.is_multiple_of(*seconds))
            .unwrap_or(("s", 1));
        write!(f, "{count}/{}{unit}", period / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_count_and_a_time() {
        for (text, count, seconds, shown) in [
            ("200/s", 200, 1, "200/s"),
            ("200/1s", 200, 1, "200/s"),
            ("60/1m", 60, 60, "60/1m"),
            ("60/m", 60, 60, "60/1m"),
            ("60/60s", 60, 60, "60/1m"),
            ("5/90s", 5, 90, "5/90s"),
            ("1000/24h", 1000, 86_400, "1000/1d"),
            ("1000000/1d", 1_000_000, 86_400, "1000000/1d"),
        ] {
            let rate: Rate = text.parse().unwrap();
            assert_eq!(rate.count().get(), count, "{text}");
            assert_eq!(rate.period(), Duration::from_secs(seconds), "{text}");
            assert_eq!(rate.to_string(), shown);
            assert_eq!(shown.parse(), Ok(rate), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for bad in [
            "",
            "60",
            "/s",
            "60/",
            "0/s",
            "-1/s",
            "+1/s",
            "60/0s",
            "60/+1m",
            "60/1",
            "60/1w",
            "60/1.5m",
            "60 / 1m",
            "60/1M",
            "1000001/s",
            "60/2d",
            "60/86401s",
            "60/1440d",
            "60/1m/2",
            "60/é",
        ] {
            assert_eq!(bad.parse::<Rate>(), Err(LimitError::Rate), "{bad:?}");
        }
    }
}
