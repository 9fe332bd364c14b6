//! The key that a server asks for: from an environment variable or a file, and never shown.

use std::{env, fmt, fs, path::Path};

use crate::error::{Error, Result};

/// The variable that is read where no other is named.
pub const DEFAULT_VARIABLE: &str = "INFALIGN_API_KEY";

/// A key. `Debug` hides it; it has no `Display` and cannot be serialised.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// From [`DEFAULT_VARIABLE`], where that is set.
    ///
    /// # Errors
    /// [`Error::Key`] where the variable holds what no key can be.
    pub fn from_environment() -> Result<Option<Self>> {
        env::var_os(DEFAULT_VARIABLE)
            .is_some()
            .then(|| Self::from_variable(DEFAULT_VARIABLE))
            .transpose()
    }

    /// From a variable of the environment.
    ///
    /// # Errors
    /// [`Error::Key`] where it is not set, empty, or holds other characters than visible ASCII.
    pub fn from_variable(name: &str) -> Result<Self> {
        let from = || format!("the variable {name}");
        let text = env::var(name).map_err(|e| Error::Key {
            from: from(),
            what: match e {
                env::VarError::NotPresent => {
                    "it is not set; set it, or name another variable or a file".to_owned()
                }
                env::VarError::NotUnicode(_) => "it is not UTF-8".to_owned(),
            },
        })?;
        Self::checked(&text, from)
    }

    /// From a file that holds the key and nothing else; white space around it is dropped.
    ///
    /// # Errors
    /// [`Error::Key`] where the file cannot be read, is empty, or holds other characters than visible ASCII.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        let from = || format!("the file {}", path.as_ref().display());
        let text = fs::read_to_string(path.as_ref()).map_err(|e| Error::Key {
            from: from(),
            what: format!("{e}; name a file that holds the key alone"),
        })?;
        Self::checked(&text, from)
    }

    fn checked(text: &str, from: impl Fn() -> String) -> Result<Self> {
        let text = text.trim();
        let wrong = if text.is_empty() {
            "it is empty"
        } else if text.bytes().any(|b| !b.is_ascii_graphic()) {
            "it holds a character that a key cannot have (allowed: visible ASCII, no space); give the key alone, without `Bearer`"
        } else {
            return Ok(Self(text.to_owned()));
        };
        Err(Error::Key {
            from: from(),
            what: wrong.to_owned(),
        })
    }

    /// The key itself: for the header that carries it, and for taking it out of what a server says.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(hidden)")
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "what the tests feed in is valid")]
mod tests {
    use super::*;

    #[test]
    fn a_file_gives_its_key_and_an_error_never_does() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(&file, " sk-abc123\n").unwrap();
        let key = Key::from_file(&file).unwrap();
        assert_eq!(key.reveal(), "sk-abc123");
        assert_eq!(format!("{key:?}"), "Key(hidden)");
        for bad in [
            "",
            " \n",
            "Bearer sk-abc123",
            "sk-abc123\u{7f}",
            "sk-abc123é",
        ] {
            fs::write(&file, bad).unwrap();
            let error = Key::from_file(&file).unwrap_err();
            let text = format!("{error} {error:?}");
            assert!(
                text.contains("the file") && !text.contains("abc123"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_variable_that_is_not_set_is_named() {
        let error = Key::from_variable("INFALIGN_NO_SUCH_KEY").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the key from the variable INFALIGN_NO_SUCH_KEY: it is not set; set it, or name another variable or a file"
        );
    }
}
