//! CRC-32C (Castagnoli) and the mask that `TFRecord` puts over it.
//!
//! ```text
//! reflected polynomial 0x82F63B78, register starts at and is xored with 2³²−1   (RFC 3720 §12.1)
//! masked(c) = ((c ≫ 15) | (c ≪ 17)) + 0xA282EAD8   mod 2³²    (TensorFlow, core/lib/hash/crc32c.h)
//! ```

const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut register = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            let carry = if register & 1 == 1 { 0x82F6_3B78 } else { 0 };
            register = (register >> 1) ^ carry;
            bit += 1;
        }
        table[byte] = register;
        byte += 1;
    }
    table
}

/// The checksum of bytes.
pub(super) fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |register, &byte| {
        (register >> 8) ^ TABLE[usize::from(register as u8 ^ byte)]
    })
}

/// The checksum as `TFRecord` stores it.
pub(super) fn masked(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xA282_EAD8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        // RFC 3720 §B.4, and the check value of the catalogue of CRCs.
        assert_eq!(crc32c(b"123456789"), 0xE306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8A91_36AA);
        assert_eq!(crc32c(&[0xff; 32]), 0x62A8_AB43);
        assert_eq!(crc32c(b""), 0);
    }
}
