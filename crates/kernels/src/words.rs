//! Random words by their place.

/// The random words of a counter-based generator from some place on.
///
/// `word(i)` is half `i mod 2` of `Philox4x32-10(key, (i / 2 mod 2³², i / 2³³ + c, c2, c3))`, a
/// block of four numbers, the lower one first
///
/// A device computes its own words from it, so that nothing has to be sent there.
///
/// Source: Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words {
    /// The key.
    pub key: [u32; 2],
    /// The upper three numbers of the counter where the block's index is below 2³². The upper half
    /// of an index is in the lower 16 bits of the first.
    pub counter: [u32; 3],
    /// The index of the first word.
    pub first: u64,
}
