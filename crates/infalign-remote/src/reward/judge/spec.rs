//! A judge as it is typed: `judge:ADDRESS[#MODEL]`.

use std::{fmt, str::FromStr};

use crate::reward::{
    Error, Result,
    spec::{Address, kind},
};

pub(super) const EXAMPLE: &str = "judge:http://localhost:8000#Qwen/Qwen3-8B";

/// A judge as typed: nothing is asked yet. Its `Display` is a text that parses back to it; serde takes it as that text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgeSpec {
    /// Where it is: scheme, host, port, perhaps a path. Never a key.
    pub address: String,
    /// The model's name for the server; `None` for its only one.
    pub model: Option<String>,
}

impl FromStr for JudgeSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        let rest = match kind(text) {
            (Some("judge"), rest) => rest,
            (given, _) => {
                return Err(Error::Unknown {
                    given: given.unwrap_or_default().to_owned(),
                    nearest: Some("judge"),
                    known: "judge".to_owned(),
                });
            }
        };
        let Address { address, model, .. } = Address::parse(text, rest, &[], EXAMPLE)?;
        Ok(Self { address, model })
    }
}

impl fmt::Display for JudgeSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "judge:{}", self.address)?;
        match &self.model {
            Some(model) => write!(f, "#{model}"),
            None => Ok(()),
        }
    }
}

infalign_data::serde_as_text!(JudgeSpec);

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    #[test]
    fn what_is_written_parses_back() {
        for text in [EXAMPLE, "judge:https://h/v1", "judge:http://[::1]:80#a:b#c"] {
            let spec: JudgeSpec = text.parse().unwrap();
            assert_eq!(spec.to_string(), text);
            let json = serde_json::to_string(&spec).unwrap();
            assert_eq!(serde_json::from_str::<JudgeSpec>(&json).unwrap(), spec);
        }
    }

    #[test]
    fn messages() {
        for (typed, named) in [
            ("http://h", "known are judge"),
            ("juge:http://h", "did you mean `judge`?"),
            ("judge:http://h:chat", "it takes none"),
            ("judge:h", "http://"),
        ] {
            let told = typed.parse::<JudgeSpec>().unwrap_err().to_string();
            assert!(told.contains(named), "{typed}: {told}");
        }
    }
}
