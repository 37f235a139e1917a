//! How long the parts of an upload are, and how large a file can be.
//!
//! A store limits the number of parts, and a part is in memory until the store has it, because it may have to be sent again. So
//! the size of a part grows with the file, up to half of the memory for parts: one part is sent while the next one is filled.
//! Small parts are better while they last, because more of them fit into the memory at the same time.

const MIB: u64 = 1024 * 1024;
const GIB: u64 = 1024 * MIB;

/// The size of the first parts in a bucket, in bytes.
pub const PART_SIZE: usize = 8 * 1024 * 1024;
/// The size of a part in a directory: long sequential writes, with little left to write at the end.
const LOCAL_PART_SIZE: usize = 1024 * 1024;
/// The maximum size of a file in every store, in bytes: 5 TiB.
pub const MAX_FILE_SIZE: u64 = 5 * 1024 * GIB;
/// The least memory for parts, in bytes: one of [`PART_SIZE`] is sent while the next one is filled.
pub const MIN_UPLOAD_MEMORY: u64 = 2 * PART_SIZE as u64;
/// More memory than this allows no larger files: 8 GiB.
pub const MAX_UPLOAD_MEMORY: u64 = 8 * GIB;

/// With parts of equal size, so many of them fit into the memory.
const EQUAL_PARTS_IN_MEMORY: u64 = 8;
/// More requests at the same time are no faster: a connection takes tens of megabytes per second.
const MAX_IN_FLIGHT: usize = 32;
/// More writes at the same time are no faster.
const MAX_LOCAL_IN_FLIGHT: usize = 2;

/// The limits of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartLimits {
    /// The size of the first parts, in bytes.
    pub first: u64,
    /// The maximum size of a part, in bytes.
    pub largest: u64,
    /// The maximum number of parts. `None`: any number.
    pub parts: Option<u32>,
    /// All parts but the last must have the same size.
    pub are_equal: bool,
    /// The maximum number of parts that are sent at the same time.
    pub in_flight: usize,
}

/// The sizes of the parts of one upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartSizes {
    first: u64,
    /// How often the size doubles.
    doublings: u32,
    /// The number of parts of each size but the largest.
    parts_per_size: u32,
    parts: Option<u32>,
    in_flight: usize,
}

impl PartLimits {
    /// S3, servers that speak its protocol, and GCS: 10,000 parts of 5 MiB to 5 GiB.
    pub(crate) const S3: Self = Self {
        first: PART_SIZE as u64,
        largest: 5 * GIB,
        parts: Some(10_000),
        are_equal: false,
        in_flight: MAX_IN_FLIGHT,
    };
    /// Cloudflare R2: as S3, but all parts except the last have the same size.
    pub(crate) const EQUAL: Self = Self {
        are_equal: true,
        ..Self::S3
    };
    /// 50,000 blocks of up to 4,000 MiB.
    pub(crate) const AZURE: Self = Self {
        largest: 4_000 * MIB,
        parts: Some(50_000),
        ..Self::S3
    };
    /// A directory.
    pub(crate) const LOCAL: Self = Self {
        first: LOCAL_PART_SIZE as u64,
        largest: LOCAL_PART_SIZE as u64,
        parts: None,
        are_equal: true,
        in_flight: MAX_LOCAL_IN_FLIGHT,
    };
}

impl PartSizes {
    /// Sizes that keep two parts within `memory` bytes, which are at least twice the size of the first part. They do not grow more
    /// than [`MAX_FILE_SIZE`] needs.
    #[must_use]
    pub fn new(limits: PartLimits, memory: u64) -> Self {
        let sizes = |first, doublings| Self {
            first,
            doublings,
            // The first half of the parts grows, the second half has the largest size.
            parts_per_size: limits.parts.map_or(0, |parts| parts / 2 / doublings.max(1)),
            parts: limits.parts,
            in_flight: limits.in_flight,
        };
        let mut found = sizes(limits.first, 0);
        for doublings in 1.. {
            let size = limits.first << doublings;
            let in_memory = if limits.are_equal {
                EQUAL_PARTS_IN_MEMORY
            } else {
                2
            };
            let fits = size <= limits.largest && size * in_memory <= memory;
            if !fits || found.max_file_size() == MAX_FILE_SIZE {
                break;
            }
            found = if limits.are_equal {
                sizes(size, 0)
            } else {
                sizes(limits.first, doublings)
            };
        }
        found
    }

    /// The size of a part, in bytes; the first has the number 0.
    #[must_use]
    pub fn size(&self, part: usize) -> usize {
        let grown = (part as u64)
            .checked_div(self.parts_per_size.into())
            .unwrap_or_default();
        let doublings = grown.min(self.doublings.into());
        usize::try_from(self.first << doublings).unwrap_or(usize::MAX)
    }

    /// The maximum size of a file, in bytes.
    #[must_use]
    pub fn max_file_size(&self) -> u64 {
        let Some(parts) = self.parts.map(u64::from) else {
            return MAX_FILE_SIZE;
        };
        let per_size = u64::from(self.parts_per_size);
        let growing: u64 = (0..self.doublings)
            .map(|doublings| per_size * (self.first << doublings))
            .sum();
        let rest = parts - per_size * u64::from(self.doublings);
        (growing + rest * (self.first << self.doublings)).min(MAX_FILE_SIZE)
    }

    /// The maximum number of parts that are sent at the same time, whatever the memory.
    #[must_use]
    pub fn max_in_flight(&self) -> usize {
        self.in_flight
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sizes of all parts, as many as the store takes.
    fn all(sizes: PartSizes) -> Vec<u64> {
        let parts = sizes.parts.expect("a limit") as usize;
        (0..parts).map(|part| sizes.size(part) as u64).collect()
    }

    #[test]
    fn parts_double_in_the_first_half_and_stay_within_the_memory() {
        let limits = PartLimits {
            first: 1,
            largest: 100,
            parts: Some(12),
            are_equal: false,
            in_flight: 9,
        };
        for (memory, expected) in [
            (2, [1; 12]),
            (7, [1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2]),
            (8, [1, 1, 1, 2, 2, 2, 4, 4, 4, 4, 4, 4]),
            (16, [1, 1, 2, 2, 4, 4, 8, 8, 8, 8, 8, 8]),
            // At most 64: the next size is larger than the store takes.
            (10_000, [1, 2, 4, 8, 16, 32, 64, 64, 64, 64, 64, 64]),
        ] {
            let sizes = PartSizes::new(limits, memory);
            assert_eq!(all(sizes), expected, "{memory}");
            let sum: u64 = expected.iter().sum();
            assert_eq!(sizes.max_file_size(), sum, "{memory}");
        }
        let equal = PartLimits {
            are_equal: true,
            ..limits
        };
        assert_eq!(all(PartSizes::new(equal, 31)), [2; 12]);
        assert_eq!(all(PartSizes::new(equal, 32)), [4; 12]);
    }

    #[test]
    fn the_table_of_the_documentation_is_right() {
        const ROWS: [(u64, [u64; 3]); 8] = [
            (16, [78, 78, 390]),
            (64, [214, 78, 1074]),
            (128, [403, 156, 2018]),
            (256, [771, 312, 3857]),
            (512, [1492, 625, 5120]),
            (1024, [2910, 1250, 5120]),
            (2048, [5120, 2500, 5120]),
            (4096, [5120, 5000, 5120]),
        ];
        for (memory, expected) in ROWS {
            let stores = [PartLimits::S3, PartLimits::EQUAL, PartLimits::AZURE];
            let found = stores.map(|limits| {
                let sizes = PartSizes::new(limits, memory * MIB);
                let sum: u64 = all(sizes).iter().sum();
                assert_eq!(sizes.max_file_size(), sum.min(MAX_FILE_SIZE));
                assert!(all(sizes).iter().all(|size| *size <= limits.largest));
                sizes.max_file_size() / GIB
            });
            assert_eq!(found, expected, "{memory} MiB");
        }
    }

    #[test]
    fn a_directory_has_parts_of_one_size_and_any_number() {
        for memory in [MIN_UPLOAD_MEMORY, MAX_UPLOAD_MEMORY] {
            let sizes = PartSizes::new(PartLimits::LOCAL, memory);
            assert_eq!(sizes.size(0), LOCAL_PART_SIZE);
            assert_eq!(sizes.size(1_000_000), LOCAL_PART_SIZE);
            assert_eq!(sizes.max_file_size(), MAX_FILE_SIZE);
        }
    }
}
