//! `regex:PATTERN`: 1 where the pattern is found in the response, else 0; `regex-count:PATTERN`: how often, without overlaps.
//!
//! Patterns are those of crate `regex`: linear time, no look-around, no back-references; `(?i)` at the beginning ignores case. An empty match
//! counts as one.

use regex::Regex;

use crate::{Asked, Entry, Error, RawReward, Result, Reward, checked};

pub(crate) const FOUND: Entry = Entry {
    name: "regex",
    syntax: "regex:PATTERN",
    example: r"regex:(?i)\bthank you\b",
    summary: "1 where the pattern is found in the response, else 0",
};

pub(crate) const COUNT: Entry = Entry {
    name: "regex-count",
    syntax: "regex-count:PATTERN",
    example: r"regex-count:\bvery\b",
    summary: "how often the pattern is found in the response",
};

/// Looks for a pattern.
#[derive(Debug, Clone)]
pub struct PatternReward {
    name: String,
    pattern: Regex,
    count: bool,
}

impl PatternReward {
    /// Of a pattern: whether it is found, or how often.
    ///
    /// # Errors
    /// [`Error::Malformed`] with what the parser of patterns says.
    pub fn new(pattern: &str, count: bool) -> Result<Self> {
        let entry = if count { COUNT } else { FOUND };
        let name = format!("{}:{pattern}", entry.name);
        let compiled = Regex::new(pattern).map_err(|e| Error::Malformed {
            given: name.clone(),
            why: format!("the pattern does not work: {e}"),
            example: entry.example,
        })?;
        Ok(Self {
            name,
            pattern: compiled,
            count,
        })
    }
}

impl Reward for PatternReward {
    fn name(&self) -> &str {
        &self.name
    }

    fn rewards(&mut self, asked: &[Asked<'_>]) -> Result<Vec<RawReward>> {
        let value = |a: &Asked<'_>| match self.count {
            true => self.pattern.find_iter(a.response).count() as f32,
            false => f32::from(u8::from(self.pattern.is_match(a.response))),
        };
        let values: Vec<f32> = asked.iter().map(value).collect();
        checked(&self.name, asked, &values)
    }

    fn identity(&self) -> String {
        self.name.clone()
    }

    fn another(&self) -> Option<Box<dyn Reward>> {
        Some(Box::new(self.clone()))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use crate::reward::testing::responses;

    #[test]
    fn found_or_counted() {
        let asked = responses(&["", "aXa", "b", "XX"]);
        let values = |count| {
            let mut reward = PatternReward::new("(?i)x", count).unwrap();
            reward.rewards(&asked).unwrap()
        };
        assert_eq!(values(false), [0.0, 1.0, 0.0, 1.0].map(RawReward));
        assert_eq!(values(true), [0.0, 1.0, 0.0, 2.0].map(RawReward));
        let told = PatternReward::new("(", false).unwrap_err().to_string();
        assert!(
            told.contains("unclosed group") && told.contains("regex:("),
            "{told}"
        );
    }
}
