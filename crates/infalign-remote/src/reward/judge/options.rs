//! What a judge is told and how it is sampled.

use std::path::PathBuf;

use super::{Rubric, fence::hash};
use crate::reward::{Error, Result};

/// The numbers that a rating may be, both ends included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// The worst.
    pub least: f64,
    /// The best; above `least`.
    pub most: f64,
}

impl Default for Scale {
    /// 1 to 10.
    fn default() -> Self {
        Self {
            least: 1.0,
            most: 10.0,
        }
    }
}

/// The options of a judge.
#[derive(Debug, Clone, PartialEq)]
pub struct JudgeOptions {
    /// What is asked about one response.
    pub rubric: Rubric,
    /// What is asked about two.
    pub pair_rubric: Rubric,
    /// Of ratings.
    pub scale: Scale,
    /// Ratings of a response, whose mean is its reward; more than one only at a temperature above 0.
    pub draws: u32,
    /// From 0, which is the default, to 2.
    pub temperature: f64,
    /// The most tokens of a reply, at least 8. A judge that thinks needs room for it.
    pub max_tokens: u32,
    /// How often a reply without a verdict is followed by the request for it.
    pub again: u32,
    /// The folder that keeps verdicts; `None` keeps them for the life of the judge.
    pub cache: Option<PathBuf>,
}

impl Default for JudgeOptions {
    fn default() -> Self {
        Self {
            rubric: Rubric::pointwise(),
            pair_rubric: Rubric::pairwise(),
            scale: Scale::default(),
            draws: 1,
            temperature: 0.0,
            max_tokens: 2048,
            again: 2,
            cache: None,
        }
    }
}

impl JudgeOptions {
    /// Checks every option.
    ///
    /// # Errors
    /// [`Error::Setting`] or [`Error::Rubric`] for the first that is outside its range.
    pub fn validate(&self) -> Result<()> {
        let setting = |field, found: String, allowed| {
            Err(Error::Setting {
                field,
                found,
                allowed,
            })
        };
        let Scale { least, most } = self.scale;
        if !(least.is_finite()
            && most.is_finite()
            && least < most
            && most.abs().max(least.abs()) <= 1e6)
        {
            let allowed = "two numbers from -10⁶ to 10⁶, the first below the second";
            return setting("scale", format!("{least} to {most}"), allowed);
        }
        if !(0.0..=2.0).contains(&self.temperature) {
            return setting("temperature", self.temperature.to_string(), "from 0 to 2");
        }
        if self.draws == 0 || self.draws > 1 && self.temperature == 0.0 {
            let allowed = "1, or more at a temperature above 0 (at 0 all draws are the same)";
            return setting("draws", self.draws.to_string(), allowed);
        }
        if self.max_tokens < 8 {
            return setting("max_tokens", self.max_tokens.to_string(), "at least 8");
        }
        self.rubric.must_be_pointwise()?;
        self.pair_rubric.must_be_pairwise()
    }

    /// What of it decides verdicts, whatever is asked.
    pub(super) fn sampling(&self) -> String {
        format!(
            "temperature {} max_tokens {}",
            self.temperature, self.max_tokens
        )
    }

    /// What a rating may be.
    pub(super) fn range(&self) -> String {
        format!("{} to {}", self.scale.least, self.scale.most)
    }

    /// Of all that decides ratings.
    pub(super) fn of_ratings(&self) -> String {
        hash(&[
            self.rubric.text(),
            &self.sampling(),
            &self.range(),
            &self.draws.to_string(),
        ])
    }

    /// Of all that decides comparisons.
    pub(super) fn of_pairs(&self) -> String {
        hash(&[self.pair_rubric.text(), &self.sampling()])
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    fn told(change: impl Fn(&mut JudgeOptions)) -> String {
        let mut options = JudgeOptions::default();
        change(&mut options);
        options
            .validate()
            .map_or_else(|e| e.to_string(), |()| "valid".to_owned())
    }

    #[test]
    fn ranges() {
        assert_eq!(told(|_| ()), "valid");
        assert_eq!(told(|o| (o.draws, o.temperature) = (4, 0.7)), "valid");
        assert!(told(|o| o.draws = 4).contains("temperature above 0"));
        assert!(told(|o| o.draws = 0).contains("`draws` is 0"));
        assert!(told(|o| o.temperature = f64::NAN).contains("`temperature` is NaN"));
        assert!(told(|o| o.max_tokens = 0).contains("`max_tokens`"));
        assert!(told(|o| o.scale.most = 1.0).contains("1 to 1"));
        assert!(told(|o| o.scale.least = f64::NEG_INFINITY).contains("`scale`"));
        assert!(told(|o| o.rubric = Rubric::pairwise()).contains("{response}"));
        assert!(told(|o| o.pair_rubric = Rubric::pointwise()).contains("{response_a}"));
    }

    #[test]
    fn the_fingerprints_see_what_decides_and_nothing_else() {
        let base = JudgeOptions::default();
        // Whether ratings and comparisons are others.
        let changed = |change: fn(&mut JudgeOptions)| {
            let mut options = JudgeOptions::default();
            change(&mut options);
            (
                options.of_ratings() != base.of_ratings(),
                options.of_pairs() != base.of_pairs(),
            )
        };
        let again = changed(|o| (o.again, o.cache) = (9, Some("x".into())));
        assert_eq!(again, (false, false));
        assert_eq!(changed(|o| o.temperature = 0.5), (true, true));
        assert_eq!(changed(|o| o.max_tokens = 50), (true, true));
        assert_eq!(changed(|o| o.scale.most = 5.0), (true, false));
        assert_eq!(changed(|o| o.draws = 2), (true, false));
        let rubric = changed(|o| o.rubric = Rubric::parse("{prompt} {response}", "x").unwrap());
        assert_eq!(rubric, (true, false));
        let pairs = changed(|o| {
            o.pair_rubric = Rubric::parse("{response_a} {response_b}", "x").unwrap();
        });
        assert_eq!(pairs, (false, true));
    }
}
