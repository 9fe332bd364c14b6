//! Levels as runs: the RLE / bit-packing hybrid of parquet-format ("Encodings", RLE = 3) for levels of up to 8 bits.
//!
//! | bytes | outcome |
//! |---|---|
//! | fewer levels than wanted, a run that is cut off, a length beyond 2⁶³ | `None` |
//! | more levels than wanted | the rest is padding |

/// Hands over runs of equal levels until `count` levels have come; `None` where the bytes do not hold them.
pub(super) fn decode(
    mut bytes: &[u8],
    bits: u32,
    count: usize,
    mut run: impl FnMut(u8, usize),
) -> Option<()> {
    let mut left = count;
    while left > 0 {
        let header = varint(&mut bytes)?;
        let length = usize::try_from(header >> 1).ok()?;
        if header & 1 == 0 {
            let (&level, rest) = bytes.split_first()?;
            bytes = rest;
            let length = length.min(left);
            if length == 0 {
                return None;
            }
            run(level, length);
            left -= length;
            continue;
        }
        // Groups of 8 levels, `bits` bytes each; the last may be cut short by the count.
        let held = length.checked_mul(bits as usize)?;
        let (packed, rest) = bytes.split_at_checked(held)?;
        bytes = rest;
        if held == 0 {
            return None;
        }
        let mask = (1_u64 << bits) - 1;
        for group in packed.chunks_exact(bits as usize) {
            let word = group
                .iter()
                .rev()
                .fold(0_u64, |w, &b| w << 8 | u64::from(b));
            for i in 0..8.min(left) as u32 {
                run((word >> (i * bits) & mask) as u8, 1);
            }
            left -= left.min(8);
        }
    }
    Some(())
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..63).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// Runs of levels as they are written.
#[derive(Debug, Default)]
pub(crate) struct Runs(Vec<u8>);

impl Runs {
    /// Adds `count` equal levels.
    pub(crate) fn push(&mut self, level: u8, count: usize) {
        if count == 0 {
            return;
        }
        let mut header = (count as u64) << 1;
        while header >= 0x80 {
            self.0.push(header as u8 | 0x80);
            header >>= 7;
        }
        self.0.extend([header as u8, level]);
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn levels(bytes: &[u8], bits: u32, count: usize) -> Option<Vec<u8>> {
        let mut all = Vec::new();
        decode(bytes, bits, count, |level, n| all.extend(vec![level; n]))?;
        Some(all)
    }

    #[test]
    fn by_hand() {
        // One group of eight single bits, least significant first; then five ones.
        let bytes = [0b11, 0b1111_1110, 10, 1];
        assert_eq!(levels(&bytes, 1, 13), Some([&[0][..], &[1; 12]].concat()));
        assert_eq!(levels(&bytes, 1, 3), Some(vec![0, 1, 1]));
        assert_eq!(levels(&bytes, 1, 14), None);
        // Two bits: 0, 1, 2, 3, 0, 1, 2, 3.
        assert_eq!(
            levels(&[3, 0xe4, 0xe4], 2, 8),
            Some(vec![0, 1, 2, 3, 0, 1, 2, 3])
        );
        for cut in [&[][..], &[0x80], &[8], &[5, 0xff], &[0, 1], &[1]] {
            assert_eq!(levels(cut, 1, 9), None, "{cut:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(runs in prop::collection::vec((0_u8..2, 1_usize..400), 1..9)) {
            let mut written = Runs::default();
            let mut wanted = Vec::new();
            for (level, count) in runs {
                written.push(level, count);
                wanted.extend(vec![level; count]);
            }
            prop_assert_eq!(levels(written.bytes(), 1, wanted.len()), Some(wanted));
        }

        #[test]
        fn any_bytes_end(bytes in prop::collection::vec(any::<u8>(), 0..40), bits in 1_u32..3) {
            if let Some(all) = levels(&bytes, bits, 100) {
                prop_assert_eq!(all.len(), 100);
            }
        }
    }
}
