//! Remote rewards as they are typed: parsed, and written back.
//!
//! ```text
//! reward = [ kind ":" ] address { ":" option } [ "#" model ]
//! option = "raw" | "chat" | "pair"      how prompt and response are sent
//!        | "bare"                       texts hold their special tokens: the server adds none
//!        | "single"                     one response to a request
//!        | "unit"                       rewards do lie in [0, 1]: no sign of an activation
//! ```
//!
//! The address begins with `http://` or `https://`; without a kind before it, the kind is detected. It may end with the path that is asked.
//! Everything behind `#` is the model's name.

mod address;

use std::{fmt, str::FromStr};

pub(super) use address::{Address, kind, nearest};

use super::{DIALECTS, Dialect, Dress, Error, Result};

const EXAMPLE: &str = "vllm:http://localhost:8000";
const OPTIONS: [&str; 6] = ["raw", "chat", "pair", "bare", "single", "unit"];

/// A reward behind HTTP as typed: nothing is asked yet. Its `Display` is a text that parses back to it; serde takes it as that text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteRewardSpec {
    /// What the server speaks; `None` to find out.
    pub dialect: Option<&'static Dialect>,
    /// Where it is: scheme, host, port, perhaps a path. Never a key.
    pub address: String,
    /// How prompt and response are sent; `None` for the dialect's first.
    pub dress: Option<Dress>,
    /// Whether texts hold their special tokens, so that the server must add none.
    pub bare: bool,
    /// Whether one response goes into a request.
    pub single: bool,
    /// Whether rewards lie in [0, 1] by nature.
    pub unit: bool,
    /// The model's name for the server.
    pub model: Option<String>,
}

impl RemoteRewardSpec {
    /// Checks that a dialect has what is asked of it.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub(super) fn fits(&self, dialect: &Dialect) -> Result<Dress> {
        let dress = self.dress.unwrap_or(dialect.dresses[0]);
        let wrong = |why: String| Error::Malformed {
            given: self.to_string(),
            why,
            example: dialect.example,
        };
        if !dialect.dresses.contains(&dress) {
            let words: Vec<String> = dialect
                .dresses
                .iter()
                .map(|d| format!("`:{}`", d.word()))
                .collect();
            return Err(wrong(format!(
                "{} does not take `:{}`, only {}",
                dialect.name,
                dress.word(),
                words.join(" and ")
            )));
        }
        if self.bare && (!dialect.bare || dress != Dress::Raw) {
            return Err(wrong(format!(
                "`:bare` works only where a request can say it: for texts sent `:raw` to {}",
                DIALECTS
                    .iter()
                    .filter(|d| d.bare)
                    .map(|d| d.name)
                    .collect::<Vec<_>>()
                    .join(" or ")
            )));
        }
        Ok(dress)
    }
}

impl FromStr for RemoteRewardSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        let (given, rest) = kind(text);
        let dialect = given.map(named).transpose()?;
        let example = dialect.map_or(EXAMPLE, |d| d.example);
        let Address {
            address,
            options,
            model,
        } = Address::parse(text, rest, &OPTIONS, example)?;
        let mut spec = Self {
            dialect,
            address,
            dress: None,
            bare: false,
            single: false,
            unit: false,
            model,
        };
        for option in options {
            let twice = match option {
                "bare" => std::mem::replace(&mut spec.bare, true),
                "single" => std::mem::replace(&mut spec.single, true),
                "unit" => std::mem::replace(&mut spec.unit, true),
                _ => {
                    let dress = [Dress::Raw, Dress::Chat, Dress::Pair];
                    let dress = dress.into_iter().find(|d| d.word() == option);
                    std::mem::replace(&mut spec.dress, dress).is_some()
                }
            };
            if twice {
                return Err(Error::Malformed {
                    given: spec.to_string(),
                    why: format!("`:{option}` stands beside an option that excludes it"),
                    example,
                });
            }
        }
        if let Some(dialect) = dialect {
            spec.fits(dialect)?;
        }
        Ok(spec)
    }
}

fn named(name: &str) -> Result<&'static Dialect> {
    if let Some(dialect) = DIALECTS.iter().find(|d| d.name == name) {
        return Ok(dialect);
    }
    let names: Vec<&'static str> = DIALECTS.iter().map(|d| d.name).collect();
    Err(Error::Unknown {
        given: name.to_owned(),
        nearest: nearest(name, &names),
        known: names.join(", "),
    })
}

impl fmt::Display for RemoteRewardSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(dialect) = self.dialect {
            write!(f, "{}:", dialect.name)?;
        }
        f.write_str(&self.address)?;
        if let Some(dress) = self.dress {
            write!(f, ":{}", dress.word())?;
        }
        for (word, set) in [
            ("bare", self.bare),
            ("single", self.single),
            ("unit", self.unit),
        ] {
            if set {
                write!(f, ":{word}")?;
            }
        }
        match &self.model {
            Some(model) => write!(f, "#{model}"),
            None => Ok(()),
        }
    }
}

infalign_data::serde_as_text!(RemoteRewardSpec);

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<RemoteRewardSpec> {
        text.parse()
    }

    #[test]
    fn every_example_parses_and_comes_back() {
        for dialect in DIALECTS {
            let spec = parse(dialect.example).unwrap();
            assert_eq!(spec.dialect, Some(dialect));
            assert_eq!(spec.to_string(), dialect.example);
        }
    }

    #[test]
    fn what_is_written_parses_back() {
        for (typed, written) in [
            (" http://h:8000 ", "http://h:8000"),
            ("https://h", "https://h"),
            ("vllm:http://h:8000:chat", "vllm:http://h:8000:chat"),
            (
                "vllm:http://[::1]:8000/some/path:single:bare:raw#org/rm:v2#x",
                "vllm:http://[::1]:8000/some/path:raw:bare:single#org/rm:v2#x",
            ),
            ("http://[::1]:unit", "http://[::1]:unit"),
            ("tei:http://h:pair", "tei:http://h:pair"),
            (
                "openrlhf:http://h:5000/get_reward:single",
                "openrlhf:http://h:5000/get_reward:single",
            ),
        ] {
            let spec = parse(typed).unwrap();
            assert_eq!(spec.to_string(), written);
            assert_eq!(parse(written).unwrap(), spec, "{written}");
            let json = serde_json::to_string(&spec).unwrap();
            assert_eq!(
                serde_json::from_str::<RemoteRewardSpec>(&json).unwrap(),
                spec
            );
        }
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused_and_what_is_parsed_comes_back(
            anything in ".{0,30}",
            kind in "(vllm:|tei:|sglang:|)",
            host in "https?://[a-z0-9.:@?/\\[\\]]{0,12}",
            options in "(:[a-z]{1,6}|:raw|:pair|:single|:unit){0,3}",
            model in "(#.{0,8}|)",
        ) {
            for text in [format!("{kind}{host}{options}{model}"), anything] {
                if let Ok(spec) = parse(&text) {
                    prop_assert_eq!(parse(&spec.to_string()).unwrap(), spec);
                }
            }
        }
    }

    #[test]
    fn messages_name_what_is_wrong_and_hide_secrets() {
        for (typed, named) in [
            ("", "no address"),
            ("vllm", "no address"),
            ("vllm:", "no address"),
            ("vlm:http://h", "did you mean `vllm`?"),
            (
                "whatever:http://h",
                "known are vllm, vllm-pooling, vllm-score, sglang, tei",
            ),
            ("vllm:https//h", "http://"),
            ("ftp://h", "http://"),
            ("vllm:http://h:chta", "did you mean `:chat`?"),
            (
                "vllm:http://h:rawchat",
                "`:raw`, `:chat`, `:pair`, `:bare`, `:single`, `:unit`",
            ),
            ("vllm:http://h:raw:chat", "excludes"),
            ("vllm:http://h:bare:bare", "excludes"),
            ("sglang:http://h:chat", "only `:raw`"),
            ("llama.cpp:http://h:raw", "only `:pair`"),
            ("vllm:http://h:chat:bare", "`:bare` works only"),
            ("tei:http://h:bare", "vllm or vllm-pooling"),
            ("vllm:http://h#", "model"),
            ("vllm:http://user:SECRET@h:8000", "user name"),
            ("vllm:http://SECRET@h", "user name"),
            ("vllm:http://h/?key=SECRET", "query"),
            ("vllm:http://h/?key=SECRET#SECRET", "query"),
        ] {
            let error = parse(typed).unwrap_err();
            let told = error.to_string();
            assert!(told.contains(named), "{typed}: {told}");
            assert!(
                !format!("{told} {error:?}").contains("SECRET"),
                "{typed}: {told}"
            );
        }
    }
}
