//! Random numbers from a seed that a run can be given, and prints.

// No test uses all of it.
#![allow(
    dead_code,
    clippy::print_stdout,
    clippy::expect_used,
    clippy::unwrap_used
)]
#![allow(clippy::indexing_slicing)]

/// Marsaglia's xorshift: enough to vary lines with, and the same on every machine.
pub struct Random(u64);

impl Random {
    /// From the seed in `NAME_SEED`, or the usual one, which is printed; `stream` tells tests
    /// apart.
    pub fn new(name: &str, stream: u64) -> Self {
        let given = std::env::var(format!("{name}_SEED")).ok();
        let seed: u64 = given.map_or(20_240_717, |seed| seed.parse().expect("a number"));
        println!("{name}_SEED={seed}");
        // Never 0, which would stay 0.
        let mut random = Self(
            seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .wrapping_add(stream)
                .max(1),
        );
        for _ in 0..8 {
            random.next();
        }
        random
    }

    /// From a number that is not 0, the same in each run.
    pub fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// A number of 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 11) % n
    }

    /// Whether one chance in `n` comes up.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// One of a list.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }

    /// Puts a list into any order.
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for n in (1..list.len()).rev() {
            list.swap(n, usize::try_from(self.below(n as u64 + 1)).unwrap());
        }
    }
}

/// How many cases there are: as many as `NAME_COUNT` says, or the usual number.
pub fn count(name: &str, usual: usize) -> usize {
    let given = std::env::var(format!("{name}_COUNT")).ok();
    given.map_or(usual, |count| count.parse().expect("a number"))
}
