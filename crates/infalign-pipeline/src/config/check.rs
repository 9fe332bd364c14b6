//! What a configuration may hold: ranges, names that are known, and paths where they belong.

use std::path::Path;

use infalign::{ProcedureSpec, TransformSpec};
use infalign_reward::RewardSpec;
use infalign_train::rl::ObjectiveSpec;

use super::{Config, FIT, GOLD, TAVERN};
use crate::error::{Error, Result};

/// The forms of the reward beside transforms.
pub(crate) const RAW: &str = "raw";
pub(crate) const DESIGNED: &str = "designed";

/// The samples that a procedure takes at most; `None` where it cannot be executed on samples.
fn draws(procedure: &str) -> Option<usize> {
    match procedure.parse().ok()? {
        ProcedureSpec::Ready(procedure) => procedure.order_terms()?.iter().map(|term| term.n).max(),
        ProcedureSpec::Cdf(_) => None,
    }
}

/// Refuses a key's value, with what is allowed.
type Expect<'a> = dyn Fn(bool, &str, &dyn std::fmt::Display, &str) -> Result<()> + 'a;

impl Config {
    /// Checks every field; `name` stands in errors.
    ///
    /// # Errors
    /// [`Error::Config`] names the key, its value and what is allowed.
    pub fn check(&self, name: &str) -> Result<()> {
        let refused = |why: String| Error::Config {
            place: name.to_owned(),
            why,
        };
        let expect = |ok: bool, key: &str, value: &dyn std::fmt::Display, allowed: &str| {
            if ok {
                return Ok(());
            }
            Err(refused(format!("{key} is {value}; expected {allowed}")))
        };
        let (s, c, d, t, e) = (
            &self.sampling,
            &self.calibration,
            &self.design,
            &self.train,
            &self.evaluate,
        );
        expect(
            s.temperature > 0.0 && s.temperature.is_finite(),
            "sampling.temperature",
            &s.temperature,
            "a number above 0",
        )?;
        expect(
            s.max_tokens > 0,
            "sampling.max_tokens",
            &s.max_tokens,
            "at least 1",
        )?;
        expect(
            c.rollouts >= 2,
            "calibration.rollouts",
            &c.rollouts,
            "at least 2 (100 is usual)",
        )?;
        expect(c.shard > 0, "calibration.shard", &c.shard, "at least 1")?;
        expect(
            self.prompts.held_out > 1 || self.prompts.held_out_file.is_some(),
            "prompts.held_out",
            &self.prompts.held_out,
            "at least 2: intervals are over prompts",
        )?;
        for kl in &d.kl {
            expect(
                *kl > 0.0 && *kl <= 8.0,
                "design.kl",
                kl,
                "numbers above 0 and at most 8 (nats)",
            )?;
        }
        for (key, empty) in [
            ("design.kl", d.kl.is_empty()),
            ("design.procedures", d.procedures.is_empty()),
            ("design.rewards", d.rewards.is_empty()),
            ("design.seeds", d.seeds.is_empty()),
        ] {
            expect(!empty, key, &"empty", "at least one entry")?;
        }
        for text in d.procedures.iter().chain(&e.procedures) {
            text.parse::<ProcedureSpec>()
                .map_err(|e| refused(e.to_string()))?;
        }
        for text in if e.procedures.is_empty() {
            &d.procedures
        } else {
            &e.procedures
        } {
            let draws = draws(text).ok_or_else(|| {
                refused(format!("{text} cannot be executed on samples; give evaluate.procedures of best-of, worst-of, order or mixtures of them"))
            })?;
            expect(
                draws <= e.samples,
                "evaluate.samples",
                &e.samples,
                &format!("at least {draws}: {text} takes so many"),
            )?;
        }
        for reward in &d.rewards {
            if reward != RAW && reward != DESIGNED {
                let spec = reward.parse::<TransformSpec>().map_err(|e| {
                    refused(format!(
                        "design.rewards: {e}; `raw` and `designed` are allowed, too"
                    ))
                })?;
                expect(
                    !matches!(spec, TransformSpec::Table(_)),
                    "design.rewards",
                    reward,
                    "a transform without a file",
                )?;
            }
        }
        self.check_training(&expect)?;
        for reward in std::iter::once(&self.reward.train_on).chain(&self.reward.judges) {
            match reward.as_str() {
                FIT => {}
                GOLD => expect(
                    self.prompts.file == TAVERN,
                    "reward",
                    &"gold",
                    "the embedded task's prompts (prompts.file = \"tavern\") with its gold reward",
                )?,
                other => {
                    other
                        .parse::<RewardSpec>()
                        .map_err(|e| refused(format!("reward: {e}")))?;
                }
            }
        }
        let fit = &self.reward.fit;
        expect(
            fit.preferences != TAVERN || self.prompts.file == TAVERN || !self.fits(),
            "reward.fit.preferences",
            &fit.preferences,
            "a file of preferences for your own prompts",
        )?;
        expect(
            fit.epochs > 0.0 && fit.epochs.is_finite(),
            "reward.fit.epochs",
            &fit.epochs,
            "a number above 0",
        )?;
        expect(fit.pairs > 0, "reward.fit.pairs", &fit.pairs, "at least 1")?;
        expect(
            fit.batch_size > 0,
            "reward.fit.batch_size",
            &fit.batch_size,
            "at least 1",
        )?;
        expect(
            fit.learning_rate > 0.0 && fit.learning_rate.is_finite(),
            "reward.fit.learning_rate",
            &fit.learning_rate,
            "a number above 0",
        )?;
        let kinds = ["exact", "k1", "k3"];
        expect(
            kinds.contains(&t.kl.as_str()),
            "train.kl",
            &t.kl,
            "exact, k1 or k3",
        )?;
        ObjectiveSpec::named(&t.objective).map_err(|e| refused(format!("train.{e}")))?;
        expect(
            e.samples >= 2,
            "evaluate.samples",
            &e.samples,
            "at least 2, and the largest N of a procedure",
        )?;
        Ok(())
    }

    /// What would else be known only when everything before training is done.
    fn check_training(&self, expect: &Expect<'_>) -> Result<()> {
        let t = &self.train;
        let positive = |x: f64| x > 0.0 && x.is_finite();
        expect(t.steps > 0, "train.steps", &t.steps, "at least 1")?;
        expect(t.prompts > 0, "train.prompts", &t.prompts, "at least 1")?;
        expect(
            t.samples >= 2,
            "train.samples",
            &t.samples,
            "at least 2: the baseline of a sample is the mean of the others",
        )?;
        let divides = t.accumulate > 0 && t.prompts.is_multiple_of(t.accumulate);
        expect(
            divides,
            "train.accumulate",
            &t.accumulate,
            &format!("a number that divides train.prompts = {}", t.prompts),
        )?;
        expect(
            positive(t.learning_rate),
            "train.learning_rate",
            &t.learning_rate,
            "a number above 0",
        )?;
        expect(
            (0.0..1.0).contains(&t.warmup),
            "train.warmup",
            &t.warmup,
            "a share of the steps, from 0 to below 1",
        )?;
        expect(
            (0.0..=1.0).contains(&t.floor),
            "train.floor",
            &t.floor,
            "a share of the highest rate, from 0 to 1",
        )?;
        expect(t.clip >= 0.0, "train.clip", &t.clip, "0 or more")?;
        expect(positive(t.gain), "train.gain", &t.gain, "a number above 0")?;
        let brake = t.brake >= 0.0 && t.brake.is_finite();
        expect(brake, "train.brake", &t.brake, "0 or more")?;
        expect(
            t.beta.is_none_or(positive),
            "train.beta",
            &t.beta.unwrap_or(0.0),
            "a number above 0",
        )
    }

    /// Whether the run trains a reward model.
    #[must_use]
    pub fn fits(&self) -> bool {
        self.reward.train_on == FIT || self.reward.judges.iter().any(|j| j == FIT)
    }

    /// Makes paths that are relative to `folder` relative to the working directory.
    pub(super) fn relative_to(&mut self, folder: &Path) {
        let join = |text: &mut String| {
            if !text.is_empty() && text != TAVERN {
                *text = folder.join(&*text).display().to_string();
            }
        };
        join(&mut self.policy.model);
        join(&mut self.prompts.file);
        join(&mut self.reward.fit.preferences);
        join(&mut self.reward.fit.model);
        if let Some(file) = &mut self.prompts.held_out_file {
            *file = folder.join(&*file);
        }
        for reward in std::iter::once(&mut self.reward.train_on).chain(&mut self.reward.judges) {
            if let Ok(spec) = reward.parse::<RewardSpec>() {
                *reward = spec.within(folder).to_string();
            }
        }
    }
}
