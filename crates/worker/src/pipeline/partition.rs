//! Cuts the time range of an export into slices of about equal work.
//!
//! The width of a slice is estimated from the slices before it. A wrong estimate costs time but no memory:
//! `reorder_buffer` bounds that.

use exports_domain::PgTimestamp;
use exports_source::TimeSlice;

/// The intended bytes of a slice. A slice of this size fits into its part of the reorder buffer, so its reader
/// never waits for its turn.
pub(crate) const BYTES: u64 = 4 * 1024 * 1024;

/// What a slice is intended to contain: the more of either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SliceTarget {
    rows: u64,
    bytes: u64,
    /// Each reader gets at least this many slices, even if matching rows are rare.
    per_reader: i64,
}

impl SliceTarget {
    /// So many rows that starting a COPY costs nothing compared with reading them.
    pub(crate) const ROWS: Self = Self {
        rows: 16_384,
        bytes: BYTES,
        per_reader: 8,
    };

    /// A group of rows of a format that stores rows in groups. Its bytes before they are encoded, which makes them far
    /// fewer: it fits into its part of the reorder buffer, too.
    ///
    /// A slice with more rows is not read in the order of the index, if the table has only some million rows: for
    /// 80,000 of 4,000,000 rows, the planner prefers a bitmap scan and sorts, on the disk with the default `work_mem`.
    pub(crate) const GROUP: Self = Self {
        rows: 32_768,
        bytes: 8 * 1024 * 1024,
        per_reader: 4,
    };
}

/// A slice is at most this many times wider than the slice before it.
const MAX_GROWTH: i64 = 8;
/// The last slices are at most this many times narrower than the others.
const MAX_SHRINKAGE: i64 = 8;

/// The time range that no reader has taken yet, and the width of the next slice.
#[derive(Debug)]
pub(crate) struct TimePartition {
    remaining: Option<TimeSlice>,
    /// The width of the next slice, in microseconds.
    width: i64,
    /// The narrowest estimate so far. It is the width after a gap, where the density is unknown.
    narrowest: i64,
    widest: i64,
    readers: i64,
    target: SliceTarget,
}

impl TimePartition {
    /// One slice for the whole range.
    pub(crate) fn whole(range: TimeSlice) -> Self {
        Self {
            remaining: Some(range),
            width: range.width(),
            narrowest: 1,
            widest: range.width(),
            readers: 1,
            target: SliceTarget::ROWS,
        }
    }

    /// Several slices. The first are as wide as `sample`, a part of the range that has some rows, but
    /// fewer than the intended rows of a slice.
    pub(crate) fn slices(
        range: TimeSlice,
        sample: TimeSlice,
        readers: u16,
        target: SliceTarget,
    ) -> Self {
        let readers = i64::from(readers.max(1));
        let widest = (range.width() / (readers * target.per_reader)).max(1);
        Self {
            remaining: Some(range),
            width: sample.width().min(widest),
            narrowest: i64::MAX,
            widest,
            readers,
            target,
        }
    }

    /// Takes the next slice, in time order.
    pub(crate) fn next_slice(&mut self) -> Option<TimeSlice> {
        let remaining = self.remaining?;
        // At the end, each slice is at most a reader's share of the rest: all readers finish at about the
        // same time.
        let share = (remaining.width() / self.readers).max(self.width / MAX_SHRINKAGE);
        let width = self.width.min(share).max(1);
        if remaining.width() <= width {
            self.remaining = None;
            return Some(remaining);
        }
        let end = remaining.first.0 + width;
        self.remaining = Some(TimeSlice {
            first: PgTimestamp(end),
            last: remaining.last,
        });
        Some(TimeSlice {
            first: remaining.first,
            last: PgTimestamp(end - 1),
        })
    }

    /// The time range that no reader has taken yet.
    pub(crate) fn remaining(&self) -> Option<TimeSlice> {
        self.remaining
    }

    /// Adjusts the width to what a slice contained.
    pub(crate) fn adjust_width(&mut self, slice: TimeSlice, rows: u64, bytes: u64) {
        let width = i128::from(slice.width());
        // Rows and bytes in a common unit: a slice of the intended size is `target.rows * target.bytes`.
        let target = self.target;
        let by_rows = rows.saturating_mul(target.bytes);
        let by_bytes = bytes.saturating_mul(target.rows);
        let work = i128::from(by_rows.max(by_bytes)).max(1);
        let intended = i128::from(target.rows.saturating_mul(target.bytes)) * width / work;
        let intended = i64::try_from(intended).unwrap_or(i64::MAX);
        let most = slice.width().saturating_mul(MAX_GROWTH).min(self.widest);
        self.width = intended.clamp(1, most);
        if rows > 0 {
            self.narrowest = self.narrowest.min(self.width);
        }
    }

    /// Skips to the first row of an earlier [`Self::remaining`]; without one, nothing remains.
    pub(crate) fn skip_to(&mut self, first_row: Option<PgTimestamp>) {
        let Some(remaining) = self.remaining else {
            return;
        };
        let Some(first) = first_row else {
            self.remaining = None;
            return;
        };
        // Other readers have taken more in the meantime.
        if first <= remaining.first {
            return;
        }
        // A gap is wider than a slice; less is only the distance between two rows.
        if first.0 - remaining.first.0 > self.width {
            self.width = self.narrowest.min(self.widest).max(1);
        }
        self.remaining = (first <= remaining.last).then_some(TimeSlice {
            first,
            last: remaining.last,
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn slice(first: i64, last: i64) -> TimeSlice {
        TimeSlice {
            first: PgTimestamp(first),
            last: PgTimestamp(last),
        }
    }

    /// Reads rows at these times (sorted) like one reader. Returns the slices and the rows of each.
    fn read(times: &[i64], sample_rows: usize) -> Vec<(TimeSlice, usize)> {
        let extent = slice(times[0], times[times.len() - 1]);
        let sample = slice(times[0], times[sample_rows.min(times.len() - 1)]);
        let mut partition = TimePartition::slices(extent, sample, 2, SliceTarget::ROWS);
        let mut read = Vec::new();
        while let Some(taken) = partition.next_slice() {
            let from = times.partition_point(|&time| time < taken.first.0);
            let to = times.partition_point(|&time| time <= taken.last.0);
            partition.adjust_width(taken, (to - from) as u64, 200 * (to - from) as u64);
            if from == to
                && let Some(remaining) = partition.remaining()
            {
                let next = times.iter().find(|&&time| time >= remaining.first.0);
                partition.skip_to(next.map(|&time| PgTimestamp(time)));
            }
            read.push((taken, to - from));
        }
        read
    }

    proptest! {
        #[test]
        fn every_row_is_in_one_slice_and_slices_are_in_order(
            mut times in prop::collection::vec(
                prop_oneof![0..50_i64, -1_000_000_000..1_000_000_000_i64, Just(7_000_000_i64)],
                1..300
            )
        ) {
            times.sort_unstable();
            let slices = read(&times, 5);
            prop_assert!(slices.iter().all(|(slice, _)| slice.first <= slice.last));
            prop_assert!(slices.windows(2).all(|pair| pair[0].0.last < pair[1].0.first));
            prop_assert_eq!(slices.iter().map(|(_, rows)| rows).sum::<usize>(), times.len());
        }
    }

    #[test]
    fn evenly_spread_rows_are_in_slices_of_equal_size() {
        let times: Vec<i64> = (0..1_000_000).map(|row| row * 130).collect();
        let slices = read(&times, 4096);
        let intended = usize::try_from(SliceTarget::ROWS.rows).unwrap();
        // The width of the first slices is not known yet, and the last slices are narrower.
        let even = &slices[2..slices.len() - 8];
        let uneven = even
            .iter()
            .filter(|(_, rows)| rows.abs_diff(intended) > intended / 10);
        assert_eq!(uneven.count(), 0, "{slices:?}");
        let (_, last) = slices[slices.len() - 1];
        assert!(last <= intended / 4, "{slices:?}");
    }

    #[test]
    fn a_long_gap_without_rows_takes_few_slices() {
        const DAY: i64 = 86_400_000_000;
        let morning = (0..100_000).map(|row| row * 1000);
        let evening = (0..100_000).map(|row| 300 * DAY + row * 1000);
        let times: Vec<i64> = morning.chain(evening).collect();
        let slices = read(&times, 4096);
        assert!(slices.len() < 40, "{}", slices.len());
        let largest = slices.iter().map(|(_, rows)| *rows).max();
        assert!(largest.unwrap() <= 4 * usize::try_from(SliceTarget::ROWS.rows).unwrap());
    }

    #[test]
    fn one_dense_microsecond_is_one_slice() {
        let times: Vec<i64> = [vec![0; 10], vec![5; 200_000], vec![9; 10]].concat();
        let slices = read(&times, 4096);
        assert!(slices.len() <= 10, "{slices:?}");
    }
}
