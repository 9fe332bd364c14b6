//! What a user chooses about sampling, under the names that vLLM and OpenAI gave the settings.
//!
//! | setting | allowed | off |
//! |---|---|---|
//! | `temperature` | 0 (greedy), or finite and at least 10⁻⁶ | 1 |
//! | `top_k` | any | 0, or at least the vocabulary |
//! | `top_p` | (0, 1] | 1 |
//! | `min_p` | \[0, 1\] | 0 |
//! | `max_tokens` | at least 1 | – |
//! | `stop` | no empty string | empty list |
//!
//! Below a temperature of 10⁻⁶ the last bit of a logit near 8 would be worth a nat: rounding would decide, not the model.

use serde::{Deserialize, Serialize};

use super::error::{Error, Result};

/// The lowest temperature above 0.
const COLDEST: f64 = 1e-6;

/// How tokens are drawn and when a sample ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sampling {
    /// What logits are divided by; 0 is greedy: always the likeliest token, of equal ones the lowest id.
    pub temperature: f64,
    /// Only this many likeliest tokens, and all that tie with the last of them; 0: all.
    pub top_k: usize,
    /// The smallest set of likeliest tokens that holds this probability; 1: all.
    pub top_p: f64,
    /// No token less likely than this fraction of the likeliest one's probability; 0: all.
    pub min_p: f64,
    /// The most tokens of a response, the one that ends it included.
    pub max_tokens: usize,
    /// Texts that end a response, also across tokens; left out of its text.
    pub stop: Vec<String>,
    /// Tokens that end a response besides the model's own end-of-sequence tokens.
    pub stop_token_ids: Vec<u32>,
    /// Goes on after the model's end-of-sequence tokens.
    pub ignore_eos: bool,
    /// Keeps the stop string, or the text of the token that ended the response, in its text.
    pub include_stop_str_in_output: bool,
    /// The run's seed: with the prompt's id and the sample's index it decides every draw.
    pub seed: u64,
}

impl Default for Sampling {
    /// The model's own distribution, at most 256 tokens, seed 0.
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            max_tokens: 256,
            stop: Vec::new(),
            stop_token_ids: Vec::new(),
            ignore_eos: false,
            include_stop_str_in_output: false,
            seed: 0,
        }
    }
}

impl Sampling {
    /// Whether always the likeliest token is taken.
    #[must_use]
    pub fn is_greedy(&self) -> bool {
        self.temperature == 0.0
    }

    /// Whether tokens are drawn from the model's own distribution, neither tempered nor truncated.
    #[must_use]
    pub fn is_untempered(&self) -> bool {
        self.temperature == 1.0 && self.top_k == 0 && self.top_p == 1.0 && self.min_p == 0.0
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// [`Error::Setting`] for the first one that is outside its range.
    pub fn validate(&self) -> Result<()> {
        let t = self.temperature;
        if t != 0.0 && !(t.is_finite() && t >= COLDEST) {
            return Err(bad("temperature", &t, "0 (greedy), or 0.000001 and more"));
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            return Err(bad("top_p", &self.top_p, "above 0 and at most 1 (1: off)"));
        }
        if !(0.0..=1.0).contains(&self.min_p) {
            return Err(bad("min_p", &self.min_p, "from 0 (off) to 1"));
        }
        if self.max_tokens == 0 {
            return Err(bad("max_tokens", &0, "at least 1"));
        }
        if let Some(at) = self.stop.iter().position(String::is_empty) {
            let found = format!("an empty string at position {at}");
            return Err(bad("stop", &found, "texts of at least one character"));
        }
        Ok(())
    }
}

fn bad(field: &'static str, found: &dyn ToString, allowed: &'static str) -> Error {
    Error::Setting {
        field,
        found: found.to_string(),
        allowed,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "what the tests feed in is valid")]
mod tests {
    use super::*;

    fn message(change: impl FnOnce(&mut Sampling)) -> String {
        let mut settings = Sampling::default();
        change(&mut settings);
        settings
            .validate()
            .map_or_else(|e| e.to_string(), |()| "valid".to_owned())
    }

    #[test]
    fn the_default_and_the_ends_of_the_ranges_are_valid() {
        assert_eq!(message(|_| ()), "valid");
        assert!(Sampling::default().is_untempered());
        assert_eq!(message(|s| s.temperature = 0.0), "valid");
        assert_eq!(message(|s| s.temperature = 1e-6), "valid");
        assert_eq!(message(|s| s.min_p = 1.0), "valid");
        assert_eq!(message(|s| s.top_p = f64::MIN_POSITIVE), "valid");
    }

    #[test]
    fn a_bad_setting_is_named_with_its_range() {
        for t in [-1.0, 1e-7, f64::NAN, f64::INFINITY] {
            let text = message(|s| s.temperature = t);
            assert_eq!(
                text,
                format!("`temperature` is {t}; allowed is 0 (greedy), or 0.000001 and more")
            );
        }
        for p in [0.0, -0.1, 1.1, f64::NAN] {
            let text = message(|s| s.top_p = p);
            assert!(
                text.starts_with(&format!("`top_p` is {p}; allowed is above 0")),
                "{text}"
            );
        }
        for p in [-0.1, 1.1, f64::NAN] {
            let text = message(|s| s.min_p = p);
            assert!(
                text.starts_with(&format!("`min_p` is {p}; allowed is from 0")),
                "{text}"
            );
        }
        assert!(message(|s| s.max_tokens = 0).contains("at least 1"));
        let text = message(|s| s.stop = vec!["a".into(), String::new()]);
        assert!(text.contains("an empty string at position 1"), "{text}");
    }

    #[test]
    fn json_may_leave_settings_out_but_not_add_any() {
        let read: Sampling = serde_json::from_str(r#"{"top_k": 5, "seed": 7}"#).unwrap();
        let expected = Sampling {
            top_k: 5,
            seed: 7,
            ..Sampling::default()
        };
        assert_eq!(read, expected);
        let again = serde_json::to_string(&read).unwrap();
        assert_eq!(serde_json::from_str::<Sampling>(&again).unwrap(), expected);
        let error = serde_json::from_str::<Sampling>(r#"{"topk": 5}"#).unwrap_err();
        assert!(
            error.to_string().contains("unknown field `topk`"),
            "{error}"
        );
    }
}
