//! What a configuration may hold: ranges, and names that are known.

use std::{fmt::Display, str::FromStr};

use infalign::{ProcedureSpec, TransformSpec, evaluation::Deployed};
use infalign_remote::reward::{Error as RemoteError, JudgeSpec};
use infalign_reward::{FinalAnswer, RewardSpec};
use infalign_train::rl::ObjectiveSpec;

use super::{Config, FIT, GOLD, TAVERN, Trainer};
use crate::{
    error::{Error, Result},
    stages::evaluate::executed,
};

/// The forms of the reward beside transforms.
pub(crate) const RAW: &str = "raw";
pub(crate) const DESIGNED: &str = "designed";

/// The controller's highest gain. It sees a mean over about 7 steps (1/0.15, see `rl/price.rs`), and β acts on the policy later still: above
/// about 0.13 the KL was seen to oscillate; 0.2 leaves room for policies that answer at once.
const FASTEST: f64 = 0.2;

/// The configuration's name, which stands in every refusal.
struct Place<'a>(&'a str);

impl Place<'_> {
    fn refused(&self, why: String) -> Error {
        Error::Config {
            place: self.0.to_owned(),
            why,
        }
    }

    /// Refuses a key's value, with what is allowed, unless it is `ok`.
    fn expect(&self, ok: bool, key: &str, value: &dyn Display, allowed: &str) -> Result<()> {
        if ok {
            return Ok(());
        }
        Err(self.refused(format!("{key} is {value}; expected {allowed}")))
    }

    /// A text of `key` that must parse.
    fn parsed<T: FromStr<Err: Display>>(&self, key: &str, text: &str) -> Result<T> {
        text.parse()
            .map_err(|e: T::Err| self.refused(format!("{key}: {e}")))
    }
}

impl Config {
    /// Checks every field; `name` stands in errors.
    ///
    /// # Errors
    /// [`Error::Config`] names the key, its value and what is allowed.
    pub fn check(&self, name: &str) -> Result<()> {
        let at = &Place(name);
        let (s, c, d, t, e) = (
            &self.sampling,
            &self.calibration,
            &self.design,
            &self.train,
            &self.evaluate,
        );
        at.expect(
            s.temperature > 0.0 && s.temperature.is_finite(),
            "sampling.temperature",
            &s.temperature,
            "a number above 0",
        )?;
        at.expect(
            s.max_tokens > 0,
            "sampling.max_tokens",
            &s.max_tokens,
            "at least 1",
        )?;
        at.expect(
            c.rollouts >= 2,
            "calibration.rollouts",
            &c.rollouts,
            "at least 2 (100 is usual)",
        )?;
        at.expect(c.shard > 0, "calibration.shard", &c.shard, "at least 1")?;
        at.expect(
            self.prompts.held_out > 1 || self.prompts.held_out_file.is_some(),
            "prompts.held_out",
            &self.prompts.held_out,
            "at least 2: intervals are over prompts",
        )?;
        for kl in &d.kl {
            at.expect(
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
            at.expect(!empty, key, &"empty", "at least one entry")?;
        }
        for reward in &d.rewards {
            if reward != RAW && reward != DESIGNED {
                let spec = reward.parse::<TransformSpec>().map_err(|e| {
                    at.refused(format!(
                        "design.rewards: {e}; `raw` and `designed` are allowed, too"
                    ))
                })?;
                at.expect(
                    !matches!(spec, TransformSpec::Table(_)),
                    "design.rewards",
                    reward,
                    "a transform without a file",
                )?;
            }
        }
        self.check_trainer(at)?;
        self.check_training(at)?;
        self.check_procedures(at)?;
        self.check_rewards(at)?;
        self.check_judges(at)?;
        let fit = &self.reward.fit;
        at.expect(
            fit.preferences != TAVERN || self.prompts.file == TAVERN || !self.fits(),
            "reward.fit.preferences",
            &fit.preferences,
            "a file of preferences for your own prompts",
        )?;
        at.expect(
            fit.epochs > 0.0 && fit.epochs.is_finite(),
            "reward.fit.epochs",
            &fit.epochs,
            "a number above 0",
        )?;
        at.expect(fit.pairs > 0, "reward.fit.pairs", &fit.pairs, "at least 1")?;
        at.expect(
            fit.batch_size > 0,
            "reward.fit.batch_size",
            &fit.batch_size,
            "at least 1",
        )?;
        at.expect(
            fit.learning_rate > 0.0 && fit.learning_rate.is_finite(),
            "reward.fit.learning_rate",
            &fit.learning_rate,
            "a number above 0",
        )?;
        let kinds = ["exact", "k1", "k3"];
        at.expect(
            kinds.contains(&t.kl.as_str()),
            "train.kl",
            &t.kl,
            "exact, k1 or k3",
        )?;
        ObjectiveSpec::named(&t.objective).map_err(|e| at.refused(format!("train.{e}")))?;
        at.expect(
            e.samples >= 2,
            "evaluate.samples",
            &e.samples,
            "at least 2, and the largest N of a procedure",
        )?;
        Ok(())
    }

    /// A server can be asked, but not trained.
    fn check_trainer(&self, at: &Place<'_>) -> Result<()> {
        let (policy, server, trainer) = (&self.policy, &self.server, self.train.trainer);
        let served = self.is_served();
        at.expect(
            !served || trainer != Trainer::Infalign,
            "train.trainer",
            &"infalign",
            "trl, openrlhf, verl, axolotl or sft: policy.model is a server, whose weights nobody here can change",
        )?;
        at.expect(
            !served || !policy.weights.is_empty(),
            "policy.weights",
            &"empty",
            "what the trainer loads, a model of the hub or a folder: policy.model is a server",
        )?;
        at.expect(
            trainer == Trainer::Infalign || policy.model != TAVERN,
            "train.trainer",
            &"another program",
            "a policy.model of yours with it: the embedded task is trained here",
        )?;
        at.expect(
            !served || !self.fits(),
            "reward",
            &FIT,
            "a reward that is there: beside a server nothing is trained here (`infalign reward train` makes a reward model)",
        )?;
        at.expect(
            !served || self.prompts.file != TAVERN,
            "prompts.file",
            &TAVERN,
            "a file of prompts for your policy",
        )?;
        let dialects = ["auto", "vllm", "sglang", "llama.cpp", "openai"];
        at.expect(
            dialects.contains(&server.dialect.as_str()),
            "server.dialect",
            &server.dialect,
            &dialects.join(", "),
        )?;
        at.expect(
            server.in_flight > 0,
            "server.in_flight",
            &server.in_flight,
            "at least 1",
        )?;
        at.expect(
            server.deadline > 0.0 && server.deadline.is_finite(),
            "server.deadline",
            &server.deadline,
            "seconds above 0",
        )
    }

    /// Procedures that samples can execute, and what they need.
    fn check_procedures(&self, at: &Place<'_>) -> Result<()> {
        let (designed, e) = (&self.design.procedures, &self.evaluate);
        for text in designed {
            at.expect(
                !text.trim().starts_with("voting:"),
                "design.procedures",
                text,
                "procedures that have a theory; voting belongs into evaluate.procedures",
            )?;
            at.parsed::<ProcedureSpec>("design.procedures", text)?;
        }
        for text in &e.procedures {
            at.parsed::<Deployed>("evaluate.procedures", text)?;
        }
        let executed = if e.procedures.is_empty() {
            designed
        } else {
            &e.procedures
        };
        for text in executed {
            let draws = text.parse::<Deployed>().ok().and_then(|d| d.draws());
            let Some(draws) = draws else {
                return Err(at.refused(format!("{text} cannot be executed on samples; give evaluate.procedures of best-of, worst-of, order or mixtures of them, or voting")));
            };
            at.expect(
                draws <= e.samples,
                "evaluate.samples",
                &e.samples,
                &format!("at least {draws}: {text} takes so many"),
            )?;
        }
        if let Some(pattern) = &e.answers {
            FinalAnswer::of_pattern(pattern)
                .map_err(|e| at.refused(format!("evaluate.answers: {e}")))?;
        }
        Ok(())
    }

    /// Rewards that are known, each once, and thresholds of them.
    fn check_rewards(&self, at: &Place<'_>) -> Result<()> {
        for (number, reward) in self.rewards().enumerate() {
            at.expect(
                !self.rewards().take(number).any(|before| before == reward),
                "reward.judges",
                &reward,
                "each reward once; that of reward.train_on judges anyway",
            )?;
            match reward {
                FIT => {}
                GOLD => at.expect(
                    self.prompts.file == TAVERN,
                    "reward",
                    &"gold",
                    "the embedded task's prompts (prompts.file = \"tavern\") with its gold reward",
                )?,
                other => drop(at.parsed::<RewardSpec>("reward", other)?),
            }
        }
        for (reward, threshold) in &self.reward.thresholds {
            let known: Vec<&str> = self.rewards().collect();
            at.expect(
                known.contains(&reward.as_str()),
                "reward.thresholds",
                reward,
                &format!("a reward of this run: {}", known.join(", ")),
            )?;
            at.expect(
                threshold.is_finite(),
                "reward.thresholds",
                threshold,
                "finite numbers",
            )?;
        }
        Ok(())
    }

    /// What judges are told, and that those who compare are judges.
    fn check_judges(&self, at: &Place<'_>) -> Result<()> {
        self.judge.sampling().validate().map_err(|e| match e {
            RemoteError::Setting {
                field,
                found,
                allowed,
            } => at.refused(format!("judge.{field} is {found}; expected {allowed}")),
            other => at.refused(format!("judge: {other}")),
        })?;
        let e = &self.evaluate;
        for (number, judge) in e.compare.iter().enumerate() {
            at.parsed::<JudgeSpec>("evaluate.compare", judge)?;
            at.expect(
                !e.compare[..number].contains(judge),
                "evaluate.compare",
                judge,
                "each judge once",
            )?;
        }
        at.expect(
            e.compare_pairs > 0,
            "evaluate.compare_pairs",
            &e.compare_pairs,
            "at least 1",
        )?;
        let compared = executed(self)?.iter().any(Deployed::is_one_order);
        at.expect(
            e.compare.is_empty() || compared,
            "evaluate.compare",
            &"given",
            "a procedure that outputs one order statistic (standard, best-of:N, worst-of:N, order:J/N) beside it: a judge compares what such a procedure outputs",
        )
    }

    /// What would else be known only when everything before training is done.
    fn check_training(&self, at: &Place<'_>) -> Result<()> {
        let t = &self.train;
        let positive = |x: f64| x > 0.0 && x.is_finite();
        at.expect(t.steps > 0, "train.steps", &t.steps, "at least 1")?;
        at.expect(t.prompts > 0, "train.prompts", &t.prompts, "at least 1")?;
        at.expect(
            t.samples >= 2,
            "train.samples",
            &t.samples,
            "at least 2: the baseline of a sample is the mean of the others",
        )?;
        let divides = t.accumulate > 0 && t.prompts.is_multiple_of(t.accumulate);
        at.expect(
            divides,
            "train.accumulate",
            &t.accumulate,
            &format!("a number that divides train.prompts = {}", t.prompts),
        )?;
        at.expect(
            positive(t.learning_rate),
            "train.learning_rate",
            &t.learning_rate,
            "a number above 0",
        )?;
        at.expect(
            (0.0..1.0).contains(&t.warmup),
            "train.warmup",
            &t.warmup,
            "a share of the steps, from 0 to below 1",
        )?;
        at.expect(
            (0.0..=1.0).contains(&t.floor),
            "train.floor",
            &t.floor,
            "a share of the highest rate, from 0 to 1",
        )?;
        at.expect(
            t.warm_start <= t.steps,
            "train.warm_start",
            &t.warm_start,
            &format!("at most train.steps = {}", t.steps),
        )?;
        at.expect(t.clip >= 0.0, "train.clip", &t.clip, "0 or more")?;
        at.expect(
            t.gain > 0.0 && t.gain <= FASTEST,
            "train.gain",
            &t.gain,
            "a number above 0 and at most 0.2 (0.05 is usual): β that answers faster than the KL does swings around its budget",
        )?;
        let brake = t.brake >= 0.0 && t.brake.is_finite();
        at.expect(brake, "train.brake", &t.brake, "0 or more")?;
        at.expect(
            t.beta.is_none_or(positive),
            "train.beta",
            &t.beta.unwrap_or(0.0),
            "a number above 0",
        )
    }
}
