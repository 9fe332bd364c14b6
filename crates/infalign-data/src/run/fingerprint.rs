//! SHA-256 over named inputs: equal exactly when everything that a stage depends on is equal.

use std::{
    fmt::Write as _,
    fs::File,
    io::{self, Read},
    path::Path,
};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::RunDir;
use crate::error::{Error, Result};

/// Collects the inputs of a stage, each under a name; their order counts.
#[derive(Debug, Clone, Default)]
pub struct Fingerprint {
    hash: Sha256,
}

impl Fingerprint {
    /// Without inputs.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes.
    #[must_use]
    pub fn bytes(mut self, name: &str, bytes: &[u8]) -> Self {
        // Lengths first, so that neighbours cannot run into each other.
        for part in [name.as_bytes(), bytes] {
            self.hash.update((part.len() as u64).to_le_bytes());
            self.hash.update(part);
        }
        self
    }

    /// Adds a value by its JSON.
    ///
    /// # Errors
    /// [`Error::Bug`] for a value that has none (a map with keys that are not strings).
    pub fn value(self, name: &str, value: &impl Serialize) -> Result<Self> {
        let json = serde_json::to_vec(value).map_err(|e| Error::Bug {
            what: format!("`{name}` cannot be hashed: {e}"),
        })?;
        Ok(self.bytes(name, &json))
    }

    /// Adds the content of a file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn file(self, name: &str, path: impl AsRef<Path>) -> Result<Self> {
        let hash = Self::of_file(path.as_ref())?;
        Ok(self.bytes(name, hash.as_bytes()))
    }

    /// Adds the outputs of an earlier stage, as recorded.
    ///
    /// # Errors
    /// [`Error::Bug`] when that stage is not done.
    pub fn stage(self, run: &RunDir, name: &str) -> Result<Self> {
        let Some(record) = run.manifest().stages.get(name) else {
            return Err(Error::Bug {
                what: format!("stage `{name}` was not done before"),
            });
        };
        self.value(name, &record.outputs)
    }

    /// The hash in hexadecimal.
    #[must_use]
    pub fn hex(&self) -> String {
        hex(self.hash.clone())
    }

    /// SHA-256 of a file, as `sha256sum` prints it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of_file(path: &Path) -> Result<String> {
        let read = || -> io::Result<String> {
            let mut file = File::open(path)?;
            let mut hash = Sha256::new();
            let mut buffer = vec![0; 1 << 16];
            loop {
                match file.read(&mut buffer)? {
                    0 => return Ok(hex(hash)),
                    n => hash.update(&buffer[..n]),
                }
            }
        };
        read().map_err(|e| Error::read(path, e))
    }

    /// SHA-256 of bytes.
    pub(super) fn of_bytes(bytes: &[u8]) -> String {
        let mut hash = Sha256::new();
        hash.update(bytes);
        hex(hash)
    }
}

fn hex(hash: Sha256) -> String {
    hash.finalize()
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}"); // a String takes everything
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answer() {
        // FIPS 180-4, the example "abc".
        assert_eq!(
            Fingerprint::of_bytes(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn neighbours_and_order_count() {
        let hex = |inputs: &[(&str, &str)]| {
            inputs
                .iter()
                .fold(Fingerprint::new(), |f, (n, b)| f.bytes(n, b.as_bytes()))
                .hex()
        };
        assert_eq!(hex(&[("a", "b")]), hex(&[("a", "b")]));
        assert_ne!(hex(&[("a", "bc")]), hex(&[("ab", "c")]));
        assert_ne!(hex(&[("a", ""), ("b", "")]), hex(&[("b", ""), ("a", "")]));
        assert_ne!(hex(&[]), hex(&[("", "")]));
    }
}
