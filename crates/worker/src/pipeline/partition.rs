//! Cuts an export's time into slices of about the same work, by what the slices before came to.
//!
//! A slice is a guess at how much it holds. A bad one costs time, never memory: see `window`.

use exports_domain::PgTimestamp;
use exports_source::TimeSlice;

/// How many rows a slice is to have: so many that asking for it costs nothing beside reading it.
const ROWS: u64 = 16_384;
/// The bytes that count as much, for rows that are long. A slice of this size that is not yet the
/// file's turn is read to its end all the same.
pub(crate) const BYTES: u64 = 4 * 1024 * 1024;
/// How much wider than the one before it a slice can be.
const GROWTH: i64 = 8;
/// Even where the rows asked for are rare, each reader gets several slices.
const SLICES_PER_READER: i64 = 8;
/// How much narrower than others the last slices can be.
const SHRINKAGE: i64 = 8;

/// The time that nobody has taken yet, and how wide to cut it.
#[derive(Debug)]
pub(crate) struct TimePartition {
    left: Option<TimeSlice>,
    /// Of the next slice, in microseconds.
    width: i64,
    /// After a gap nothing is known of what follows: this much is not too much.
    narrowest: i64,
    widest: i64,
    readers: i64,
}

impl TimePartition {
    /// All of `slice` at once.
    pub(crate) fn whole(slice: TimeSlice) -> Self {
        Self {
            left: Some(slice),
            width: slice.width(),
            narrowest: 1,
            widest: slice.width(),
            readers: 1,
        }
    }

    /// In parts, the first of which are as wide as a `sample` of the time that holds some rows, but
    /// not more than a slice is to have.
    pub(crate) fn parts(extent: TimeSlice, sample: TimeSlice, readers: u16) -> Self {
        let readers = i64::from(readers.max(1));
        let widest = (extent.width() / (readers * SLICES_PER_READER)).max(1);
        Self {
            left: Some(extent),
            width: sample.width().min(widest),
            narrowest: i64::MAX,
            widest,
            readers,
        }
    }

    /// The next slice, in the order of time.
    pub(crate) fn take(&mut self) -> Option<TimeSlice> {
        let left = self.left?;
        // Towards the end each takes no more than its share of what is left, so that all readers
        // are done at about the same time.
        let share = (left.width() / self.readers).max(self.width / SHRINKAGE);
        let width = self.width.min(share).max(1);
        if left.width() <= width {
            self.left = None;
            return Some(left);
        }
        let end = left.first.0 + width;
        self.left = Some(TimeSlice {
            first: PgTimestamp(end),
            last: left.last,
        });
        Some(TimeSlice {
            first: left.first,
            last: PgTimestamp(end - 1),
        })
    }

    /// What is left, for whoever looks for its first row.
    pub(crate) fn left(&self) -> Option<TimeSlice> {
        self.left
    }

    /// A slice turned out to have so many rows, of so many bytes.
    pub(crate) fn learn(&mut self, slice: TimeSlice, rows: u64, bytes: u64) {
        let width = i128::from(slice.width());
        // In units of a row and of a byte of a slice that is just right.
        let by_rows = rows.saturating_mul(BYTES);
        let by_bytes = bytes.saturating_mul(ROWS);
        let work = i128::from(by_rows.max(by_bytes)).max(1);
        let right = i128::from(ROWS.saturating_mul(BYTES)) * width / work;
        let right = i64::try_from(right).unwrap_or(i64::MAX);
        let most = slice.width().saturating_mul(GROWTH).min(self.widest);
        self.width = right.clamp(1, most);
        if rows > 0 {
            self.narrowest = self.narrowest.min(self.width);
        }
    }

    /// Of `searched`, the first row was found then, or none at all.
    pub(crate) fn skip(&mut self, searched: TimeSlice, first_row: Option<PgTimestamp>) {
        let Some(left) = self.left else { return };
        // Others may have taken some of it meanwhile, or all.
        if left.first < searched.first {
            return;
        }
        let Some(first) = first_row else {
            self.left = None;
            return;
        };
        if first <= left.first {
            return;
        }
        // A stretch in which a slice would have been empty; less is the distance between rows.
        if first.0 - left.first.0 > self.width {
            self.width = self.narrowest.min(self.widest).max(1);
        }
        self.left = (first <= left.last).then_some(TimeSlice {
            first,
            last: left.last,
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

    /// Reads rows at these times (sorted) as readers do, one after the other. Gives the slices and
    /// how many rows each has.
    fn read(times: &[i64], sample_rows: usize) -> Vec<(TimeSlice, usize)> {
        let extent = slice(times[0], times[times.len() - 1]);
        let sample = slice(times[0], times[sample_rows.min(times.len() - 1)]);
        let mut slicer = TimePartition::parts(extent, sample, 2);
        let mut read = Vec::new();
        while let Some(taken) = slicer.take() {
            let from = times.partition_point(|&time| time < taken.first.0);
            let to = times.partition_point(|&time| time <= taken.last.0);
            slicer.learn(taken, (to - from) as u64, 200 * (to - from) as u64);
            if from == to
                && let Some(left) = slicer.left()
            {
                let next = times.iter().find(|&&time| time >= left.first.0);
                slicer.skip(left, next.map(|&time| PgTimestamp(time)));
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
    fn evenly_spread_rows_are_cut_evenly() {
        let times: Vec<i64> = (0..1_000_000).map(|row| row * 130).collect();
        let slices = read(&times, 4096);
        let usual = usize::try_from(ROWS).unwrap();
        // Only the first is not known yet, and the last are narrower.
        let even = &slices[2..slices.len() - 8];
        let uneven = even
            .iter()
            .filter(|(_, rows)| rows.abs_diff(usual) > usual / 10);
        assert_eq!(uneven.count(), 0, "{slices:?}");
        let (_, last) = slices[slices.len() - 1];
        assert!(last <= usual / 4, "{slices:?}");
    }

    #[test]
    fn a_year_without_rows_costs_a_few_slices() {
        const DAY: i64 = 86_400_000_000;
        let morning = (0..100_000).map(|row| row * 1000);
        let evening = (0..100_000).map(|row| 300 * DAY + row * 1000);
        let times: Vec<i64> = morning.chain(evening).collect();
        let slices = read(&times, 4096);
        assert!(slices.len() < 40, "{}", slices.len());
        let largest = slices.iter().map(|(_, rows)| *rows).max();
        assert!(largest.unwrap() <= 4 * usize::try_from(ROWS).unwrap());
    }

    #[test]
    fn one_dense_microsecond_is_one_slice() {
        let times: Vec<i64> = [vec![0; 10], vec![5; 200_000], vec![9; 10]].concat();
        let slices = read(&times, 4096);
        assert!(slices.len() <= 10, "{slices:?}");
    }
}
