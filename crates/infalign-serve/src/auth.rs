//! Bearer tokens, compared in constant time.
//!
//! Tokens are kept and compared as SHA-256, so that neither the time of a comparison nor a print of the settings says anything about them, their
//! lengths included. A trainer whose client sends no header of its own puts the token into the address, `http://any:TOKEN@host:8100/…`,
//! which HTTP clients turn into `Basic`: the password is then the token.

use base64::{Engine, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::error::{Error, Result};

/// The tokens that open the service; none: it is open.
#[derive(Clone, Default)]
pub struct Tokens(Vec<[u8; 32]>);

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} tokens", self.0.len())
    }
}

impl Tokens {
    /// From the tokens themselves.
    ///
    /// # Errors
    /// [`Error::Settings`] for a token that is shorter than 16 bytes, or that a header could not carry.
    pub fn new<S: AsRef<str>>(tokens: impl IntoIterator<Item = S>) -> Result<Self> {
        let one = |token: S| {
            let token = token.as_ref();
            if token.len() < 16 || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(Error::Settings(
                    "a token needs at least 16 characters, printable ASCII without spaces: make one with `openssl rand -hex 32`",
                ));
            }
            Ok(digest(token.as_bytes()))
        };
        tokens.into_iter().map(one).collect::<Result<_>>().map(Self)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the value of an `Authorization` header opens the service.
    pub(crate) fn admit(&self, header: Option<&[u8]>) -> bool {
        if self.is_empty() {
            return true;
        }
        let header = header.unwrap_or_default();
        let end = header.iter().position(|&byte| byte == b' ');
        let (scheme, given) = header.split_at(end.unwrap_or(header.len()));
        let given = given.trim_ascii();
        if scheme.eq_ignore_ascii_case(b"bearer") {
            self.holds(given)
        } else if scheme.eq_ignore_ascii_case(b"basic") {
            let Ok(pair) = BASE64_STANDARD.decode(given) else {
                return false;
            };
            let password = pair.splitn(2, |&byte| byte == b':').nth(1);
            password.is_some_and(|password| self.holds(password))
        } else {
            false
        }
    }

    /// Compares with every token, whichever fits.
    fn holds(&self, given: &[u8]) -> bool {
        let given = digest(given);
        let any = |any: Choice, token: &[u8; 32]| any | token.ct_eq(&given);
        self.0.iter().fold(Choice::from(0), any).into()
    }
}

fn digest(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    const TOKEN: &str = "0123456789abcdef-token";

    #[test]
    fn only_the_token_opens() {
        let tokens = Tokens::new(["another-token-of-length", TOKEN]).unwrap();
        let with = |header: &str| tokens.admit(Some(header.as_bytes()));
        assert!(with(&format!("Bearer {TOKEN}")) && with(&format!("bearer  {TOKEN} ")));
        let basic = |pair: &str| with(&format!("Basic {}", BASE64_STANDARD.encode(pair)));
        assert!(basic(&format!("infalign:{TOKEN}")) && basic(&format!(":{TOKEN}")));
        for wrong in ["", "Bearer", "Bearer ", "Basic !", TOKEN] {
            assert!(!with(wrong), "{wrong}");
        }
        assert!(!with(&format!("Bearer {TOKEN}x")) && !with(&format!("Bearer {}", &TOKEN[1..])));
        assert!(!basic(TOKEN) && !basic(&format!("{TOKEN}:")) && !tokens.admit(None));
        assert!(Tokens::default().admit(None));
    }

    #[test]
    fn a_print_says_nothing() {
        let tokens = Tokens::new([TOKEN]).unwrap();
        assert_eq!(format!("{tokens:?}"), "1 tokens");
        assert!(Tokens::new(["short"]).is_err());
        assert!(Tokens::new(["with a space in it, long"]).is_err());
    }
}
