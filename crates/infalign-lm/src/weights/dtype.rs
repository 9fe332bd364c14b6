//! Element types of safetensors files: which there are, and how those that are weights become f32 and back.

use half::{bf16, f16};

/// A type that weights are stored in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dtype {
    /// IEEE double; rounded to single on reading.
    F64,
    /// IEEE single.
    F32,
    /// IEEE half; values beyond 65504 become ±∞ on writing.
    F16,
    /// The upper half of a single.
    Bf16,
}

impl Dtype {
    /// The name in safetensors headers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::F64 => "F64",
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
        }
    }

    /// The name in config.json.
    #[must_use]
    pub const fn torch_name(self) -> &'static str {
        match self {
            Self::F64 => "float64",
            Self::F32 => "float32",
            Self::F16 => "float16",
            Self::Bf16 => "bfloat16",
        }
    }

    /// Bytes of an element.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// Appends whole little-endian elements as f32.
    pub(crate) fn decode(self, bytes: &[u8], out: &mut Vec<f32>) {
        match self {
            Self::F64 => out.extend(chunks(bytes).map(|b| f64::from_le_bytes(b) as f32)),
            Self::F32 => out.extend(chunks(bytes).map(f32::from_le_bytes)),
            Self::F16 => out.extend(chunks(bytes).map(|b| f16::from_le_bytes(b).to_f32())),
            Self::Bf16 => out.extend(chunks(bytes).map(|b| bf16::from_le_bytes(b).to_f32())),
        }
    }

    /// Appends the elements' little-endian bytes, rounded to nearest even.
    pub(crate) fn encode(self, values: &[f32], out: &mut Vec<u8>) {
        match self {
            Self::F64 => out.extend(values.iter().flat_map(|&x| f64::from(x).to_le_bytes())),
            Self::F32 => out.extend(values.iter().flat_map(|x| x.to_le_bytes())),
            Self::F16 => out.extend(values.iter().flat_map(|&x| f16::from_f32(x).to_le_bytes())),
            Self::Bf16 => out.extend(values.iter().flat_map(|&x| bf16::from_f32(x).to_le_bytes())),
        }
    }
}

fn chunks<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> {
    bytes.as_chunks::<N>().0.iter().copied()
}

/// A type that a header may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    Weights(Dtype),
    /// Whole numbers, booleans, eight-bit floats: known by size alone.
    Other {
        name: &'static str,
        size: usize,
    },
}

impl Stored {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        const OTHERS: [(&str, usize); 13] = [
            ("BOOL", 1),
            ("U8", 1),
            ("I8", 1),
            ("F8_E5M2", 1),
            ("F8_E4M3", 1),
            ("F8_E8M0", 1),
            ("I16", 2),
            ("U16", 2),
            ("I32", 4),
            ("U32", 4),
            ("I64", 8),
            ("U64", 8),
            ("C64", 8),
        ];
        [Dtype::F64, Dtype::F32, Dtype::F16, Dtype::Bf16]
            .into_iter()
            .find(|d| d.name() == name)
            .map(Self::Weights)
            .or_else(|| {
                let &(name, size) = OTHERS.iter().find(|(n, _)| *n == name)?;
                Some(Self::Other { name, size })
            })
    }

    pub(crate) const fn size(self) -> usize {
        match self {
            Self::Weights(dtype) => dtype.size(),
            Self::Other { size, .. } => size,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_returns_what_it_took() {
        // Exact in each of them.
        let values = [0.0, -1.5, 0.25, 2.0, f32::INFINITY];
        for dtype in [Dtype::F64, Dtype::F32, Dtype::F16, Dtype::Bf16] {
            let mut bytes = Vec::new();
            dtype.encode(&values, &mut bytes);
            assert_eq!(bytes.len(), values.len() * dtype.size());
            let mut back = Vec::new();
            dtype.decode(&bytes, &mut back);
            assert_eq!(back, values, "{dtype:?}");
        }
        let mut bytes = Vec::new();
        Dtype::Bf16.encode(&[1.0 + 3.0 / 256.0], &mut bytes); // halfway: to the even one
        assert_eq!(
            bf16::from_le_bytes([bytes[0], bytes[1]]).to_f32(),
            1.0 + 4.0 / 256.0
        );
    }
}
