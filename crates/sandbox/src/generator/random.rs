//! Pseudo-random numbers that are the same on every machine and in every version.

use exports_domain::ProjectId;

/// `SplitMix64`. Not from a crate: crates change their generators and distributions between versions, and a seed must always give
/// the same rows.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Random {
    /// Numbers for a project and a seed. Projects must not share numbers, because ids depend on them and must be unique in the table.
    pub(super) fn new(project: &ProjectId, seed: u64) -> Self {
        // FNV-1a: every byte of the name matters.
        let name = project
            .as_str()
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        Self(mix(name).wrapping_add(mix(seed.wrapping_add(STEP))))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// One of 0, 1 … `bound - 1`. The bias is at most `bound` in 2⁶⁴.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.next()) * u128::from(bound);
        // Never the default: the upper half of the product fits u64.
        u64::try_from(product >> 64).unwrap_or_default()
    }

    /// [`below`](Self::below) for small numbers.
    pub(super) fn small(&mut self, bound: u16) -> i32 {
        let high = self.next() >> 48;
        // Never the default: the upper half of the product fits 16 bits.
        i32::try_from((high * u64::from(bound)) >> 16).unwrap_or_default()
    }

    /// True with this probability in thousandths.
    pub(super) fn per_mille(&mut self, times: u16) -> bool {
        self.small(1000) < i32::from(times)
    }

    pub(super) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        // Never the default: a number below a `usize` fits.
        &of[usize::try_from(self.below(of.len() as u64)).unwrap_or_default()]
    }
}

fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_match_the_reference_implementation() {
        // The first numbers for the state 1234567 of the reference implementation in C.
        let mut random = Random(1_234_567);
        let numbers = [random.next(), random.next(), random.next()];
        assert_eq!(
            numbers,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn random_numbers_cover_the_range_and_stay_within_it() {
        let mut random = Random(7);
        let mut seen = [false; 6];
        for _ in 0..1000 {
            seen[usize::try_from(random.below(6)).unwrap()] = true;
            assert!((0..6).contains(&random.small(6)));
        }
        assert_eq!(seen, [true; 6]);
        assert_eq!(random.below(1), 0);
    }
}
