//! Sizes of memory.

use std::fmt;
use std::ops::RangeInclusive;

const MIB: u64 = 1024 * 1024;
const GIB: u64 = 1024 * MIB;

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(u64);

impl ByteSize {
    /// This number of bytes.
    #[must_use]
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The number of bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

/// As in settings: `64MiB`, `2GiB`.
impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes > 0 && bytes.is_multiple_of(GIB) => write!(f, "{}GiB", bytes / GIB),
            bytes if bytes > 0 && bytes.is_multiple_of(MIB) => write!(f, "{}MiB", bytes / MIB),
            bytes => write!(f, "{bytes} bytes"),
        }
    }
}

/// A parser of sizes such as `64MiB` and `2GiB` in this range. Its errors say the range in words.
pub fn byte_size(
    range: RangeInclusive<ByteSize>,
) -> impl Fn(&str) -> Result<ByteSize, String> + Clone + Send + Sync + 'static {
    move |text| {
        let size = parse(text).filter(|size| range.contains(size));
        size.ok_or_else(|| {
            let (least, most) = (range.start(), range.end());
            format!("must be {least} to {most}, such as 64MiB")
        })
    }
}

fn parse(text: &str) -> Option<ByteSize> {
    let (number, unit) = match text.strip_suffix("MiB") {
        Some(number) => (number, MIB),
        None => (text.strip_suffix("GiB")?, GIB),
    };
    let number: u64 = number.trim_end().parse().ok()?;
    number.checked_mul(unit).map(ByteSize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_and_limits() {
        let parse = byte_size(ByteSize(16 * MIB)..=ByteSize(8 * GIB));
        for (text, bytes) in [
            ("16MiB", 16 * MIB),
            ("64 MiB", 64 * MIB),
            ("1GiB", GIB),
            ("8GiB", 8 * GIB),
        ] {
            assert_eq!(parse(text), Ok(ByteSize(bytes)), "{text}");
        }
        for bad in [
            "",
            "64",
            "64M",
            "64MB",
            "64Mi",
            "15MiB",
            "9GiB",
            "-1GiB",
            "1.5GiB",
            "MiB",
            "99999999999999GiB",
        ] {
            let problem = "must be 16MiB to 8GiB, such as 64MiB";
            assert_eq!(parse(bad), Err(problem.to_owned()), "{bad}");
        }
    }
}
