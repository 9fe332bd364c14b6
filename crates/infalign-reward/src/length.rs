//! `length`: the number of characters of a response, as Unicode scalar values; 0 for an empty one.

use crate::{Asked, Entry, RawReward, Result, Reward, checked};

pub(crate) const ENTRY: Entry = Entry {
    name: "length",
    syntax: "length",
    example: "length",
    summary: "characters of the response",
};

/// Counts characters. Exact up to 2²⁴ of them.
#[derive(Debug, Clone, Copy, Default)]
pub struct LengthReward;

impl Reward for LengthReward {
    fn name(&self) -> &'static str {
        "length"
    }

    fn rewards(&mut self, asked: &[Asked<'_>]) -> Result<Vec<RawReward>> {
        let values: Vec<f32> = asked
            .iter()
            .map(|a| a.response.chars().count() as f32)
            .collect();
        checked(self.name(), asked, &values)
    }

    fn identity(&self) -> String {
        self.name().to_owned()
    }

    fn another(&self) -> Option<Box<dyn Reward>> {
        Some(Box::new(*self))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use crate::reward::testing::responses;

    #[test]
    fn characters_and_not_bytes() {
        let asked = responses(&["", "abc", "häß", "日本"]);
        let found = LengthReward.rewards(&asked).unwrap();
        assert_eq!(found, [0.0, 3.0, 3.0, 2.0].map(RawReward));
        assert!(LengthReward.rewards(&[]).unwrap().is_empty());
    }
}
