//! Numbers that look random and are the same on every machine, from a seed that is printed.

/// Marsaglia's xorshift: enough to vary tests with.
pub struct Random(u64);

impl Random {
    /// From the seed of this run: the variable's where it is set. Which one it is, is printed;
    /// `stream` tells the tests of one run apart.
    pub fn seeded(variable: &str, usual: u64, stream: u64) -> Self {
        let seed = number_in(variable, usual);
        println!("{variable}={seed}");
        Self::new(seed, stream)
    }

    /// From a seed; `stream` tells apart what has the same one.
    pub fn new(seed: u64, stream: u64) -> Self {
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

    /// Any number.
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

    /// A place in a list of a length.
    pub fn place(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap()
    }

    /// Whether one chance in `n` comes up.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// One of a list.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.place(from.len())]
    }

    /// Puts a list in any order.
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for n in (1..list.len()).rev() {
            list.swap(n, self.place(n + 1));
        }
    }
}

/// The number in a variable of the environment, or else the usual one.
pub fn number_in(variable: &str, usual: u64) -> u64 {
    let given = std::env::var(variable).ok();
    given.map_or(usual, |number| number.parse().expect("a number"))
}
