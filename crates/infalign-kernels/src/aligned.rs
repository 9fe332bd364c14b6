//! A growable `f32` buffer that starts on a cache line, so that no vector load straddles two.

#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line([f32; 16]);

/// A buffer whose first element is aligned to 64 bytes. Its contents are zeros at first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Aligned {
    lines: Vec<Line>,
    len: usize,
}

impl Aligned {
    pub(crate) const fn new() -> Self {
        Self {
            lines: Vec::new(),
            len: 0,
        }
    }

    /// Makes the length `len`, keeping what is there; memory is only taken when it grows past what it ever was.
    pub(crate) fn resize(&mut self, len: usize) {
        self.lines.resize(len.div_ceil(16), Line([0.0; 16]));
        self.len = len;
    }

    /// Makes the length at least `len` and gives the first `len` elements, whatever they hold.
    pub(crate) fn at_least(&mut self, len: usize) -> &mut [f32] {
        if self.len < len {
            self.resize(len);
        }
        &mut self.as_mut_slice()[..len]
    }

    #[expect(
        unsafe_code,
        reason = "a slice of aligned arrays is a slice of their elements"
    )]
    pub(crate) fn as_slice(&self) -> &[f32] {
        // SAFETY: `Line` is 16 floats without padding, and `len` is at most 16 times the lines.
        unsafe { core::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }

    #[expect(
        unsafe_code,
        reason = "a slice of aligned arrays is a slice of their elements"
    )]
    pub(crate) fn as_mut_slice(&mut self) -> &mut [f32] {
        // SAFETY: as in `as_slice`, and `self` is borrowed mutably.
        unsafe { core::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aligned_zeroed_and_of_the_length_asked_for() {
        let mut buffer = Aligned::new();
        assert!(buffer.as_slice().is_empty());
        for len in [1, 16, 17, 1000] {
            buffer.resize(len);
            assert_eq!(buffer.as_slice().len(), len);
            assert_eq!(buffer.as_slice().as_ptr().align_offset(64), 0);
            assert_eq!(buffer.as_slice().iter().sum::<f32>(), 0.0);
        }
        buffer.at_least(3).fill(1.0);
        assert_eq!(buffer.at_least(1000).iter().sum::<f32>(), 3.0);
    }
}
