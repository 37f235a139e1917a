//! Parses whole numbers with limits.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// A parser of whole numbers in this range. Its errors say the range in words.
pub fn number<T>(
    range: RangeInclusive<T>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static
where
    T: FromStr + PartialOrd + Display + Clone + Send + Sync + 'static,
{
    move |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| format!("must be {} to {}", range.start(), range.end()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_limits_in_words() {
        let parse = number(1_u16..=16);
        assert_eq!((parse("1"), parse("16")), (Ok(1), Ok(16)));
        for bad in ["", "0", "17", "four", "-1", "1.5", "70000"] {
            assert_eq!(parse(bad), Err("must be 1 to 16".to_owned()), "{bad}");
        }
    }
}
