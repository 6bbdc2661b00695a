//! Seeded pseudo-random bytes, so cheap that they do not slow a test and addressable by position,
//! so that any piece of a stream can be checked on its own.

/// An endless stream of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pattern(pub u64);

impl Pattern {
    /// The eight bytes of one word: splitmix64 of its number.
    fn word(self, index: u64) -> [u8; 8] {
        let mut word = self.0.wrapping_add(index.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (word ^ (word >> 31)).to_le_bytes()
    }

    /// The bytes from position `at` on.
    pub fn fill(self, at: u64, bytes: &mut [u8]) {
        let lead = ((8 - at % 8) % 8).min(bytes.len() as u64) as usize;
        let (first, rest) = bytes.split_at_mut(lead);
        for (offset, byte) in first.iter_mut().enumerate() {
            let at = at + offset as u64;
            *byte = self.word(at / 8)[(at % 8) as usize];
        }
        for (index, chunk) in ((at + lead as u64) / 8..).zip(rest.chunks_mut(8)) {
            let word = self.word(index);
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
    }

    /// Fails the test unless `bytes` are those from position `at` on.
    pub fn check(self, at: u64, bytes: &[u8]) {
        let mut expected = vec![0; bytes.len()];
        self.fill(at, &mut expected);
        if expected != bytes {
            let differing = expected.iter().zip(bytes).position(|(a, b)| a != b);
            panic!("byte {} of {self:?} is wrong", at + differing.unwrap_or(0) as u64);
        }
    }

    /// The first `count` bytes.
    pub fn bytes(self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.fill(0, &mut bytes);
        bytes
    }
}
