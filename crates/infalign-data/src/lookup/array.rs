//! A read-only array: in memory of its own, or in a mapped file.

use std::{ops::Deref, sync::Arc};

use bytemuck::AnyBitPattern;
use memmap2::Mmap;

#[derive(Debug, Clone)]
pub(super) enum Array<T> {
    Owned(Arc<Vec<T>>),
    /// Bytes of a file, from `start` on, whose place and length fit T.
    Mapped {
        map: Arc<Mmap>,
        start: usize,
        bytes: usize,
    },
}

impl<T: AnyBitPattern> Array<T> {
    /// Part of a file; `None` where it does not fit.
    pub(super) fn mapped(map: &Arc<Mmap>, start: usize, end: usize) -> Option<Self> {
        bytemuck::try_cast_slice::<u8, T>(map.get(start..end)?).ok()?;
        Some(Self::Mapped {
            map: Arc::clone(map),
            start,
            bytes: end - start,
        })
    }
}

impl<T> From<Vec<T>> for Array<T> {
    fn from(values: Vec<T>) -> Self {
        Self::Owned(Arc::new(values))
    }
}

impl<T: AnyBitPattern> Deref for Array<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Self::Owned(values) => values,
            Self::Mapped { map, start, bytes } => {
                bytemuck::cast_slice(&map[*start..*start + *bytes])
            }
        }
    }
}
