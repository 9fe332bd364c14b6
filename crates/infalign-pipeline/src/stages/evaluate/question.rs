//! What the evaluation asks: which procedures samples execute and how votes are read, who judges, and which policies meet each other.

use infalign::evaluation::{Deployed, Judge as Named, Pairs};
use infalign_reward::FinalAnswer;

use crate::{
    config::Config,
    error::{Error, Result},
    judges::Judge,
    variants::Variant,
};

/// The procedures that samples execute: as configured, else the design's with N = 1, 2, 4, 8, 16 of their kinds as far as samples reach.
pub(crate) fn executed(config: &Config) -> Result<Vec<Deployed>> {
    let mut texts: Vec<String> = config.evaluate.procedures.clone();
    if texts.is_empty() {
        texts.push("standard".to_owned());
        texts.extend(config.design.procedures.iter().cloned());
        for procedure in &config.design.procedures {
            let Some((kind, n)) = procedure.split_once(':') else {
                continue;
            };
            if !matches!(kind, "best-of" | "worst-of") || n.parse::<usize>().is_err() {
                continue;
            }
            for n in [2, 4, 8, 16] {
                let text = format!("{kind}:{n}");
                if n <= config.evaluate.samples && !texts.contains(&text) {
                    texts.push(text);
                }
            }
        }
    }
    Ok(texts
        .iter()
        .map(|text| text.parse())
        .collect::<infalign::Result<_>>()?)
}

/// The judges as results name them.
pub(crate) fn named(judges: &[Judge], config: &Config) -> Vec<Named> {
    judges
        .iter()
        .zip(config.rewards())
        .enumerate()
        .map(|(number, (judge, reward))| Named {
            name: judge.name.clone(),
            training: number == 0,
            threshold: config.reward.thresholds.get(reward).copied(),
        })
        .collect()
}

/// Every policy against the one that `evaluate.against` names: itself, or its form of the reward at the same KL and seed.
pub(crate) fn duels(config: &Config, variants: &[Variant]) -> Result<Pairs> {
    let Some(against) = &config.evaluate.against else {
        return Ok(Pairs::None);
    };
    let opponent = |v: &Variant| {
        let alike = |w: &&Variant| w.reward == *against && w.kl == v.kl && w.seed == v.seed;
        let named = variants.iter().find(|w| w.name == *against);
        named.or_else(|| variants.iter().find(alike))
    };
    let pairs: Vec<(String, String)> = variants
        .iter()
        .filter_map(|v| Some((v, opponent(v)?)))
        .filter(|(v, w)| v.name != w.name)
        .map(|(v, w)| (v.name.clone(), w.name.clone()))
        .collect();
    if pairs.is_empty() {
        let names: Vec<&str> = variants.iter().map(|v| v.name.as_str()).collect();
        return Err(Error::Config {
            place: "evaluate.against".to_owned(),
            why: format!(
                "`{against}` is no policy beside which there is another; the policies of this run are {}",
                names.join(", ")
            ),
        });
    }
    Ok(Pairs::Of(pairs))
}

/// How votes are read.
pub(super) fn answers(config: &Config) -> Result<FinalAnswer> {
    Ok(match &config.evaluate.answers {
        Some(pattern) => FinalAnswer::of_pattern(pattern)?,
        None => FinalAnswer::default(),
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use crate::config::parse;

    fn variant(name: &str, reward: &str, kl: f64, seed: u64) -> Variant {
        Variant {
            name: name.to_owned(),
            slug: name.to_owned(),
            reward: reward.to_owned(),
            transform: None,
            procedure: None,
            kl,
            seed,
            share: 1.0,
            beta: 0.1,
        }
    }

    #[test]
    fn a_form_of_the_reward_is_met_at_the_same_kl_and_seed_and_a_name_by_all() {
        let variants = [
            variant("raw, KL 0.5", "raw", 0.5, 0),
            variant("exp:5, KL 0.5", "exp:5", 0.5, 0),
            variant("raw, KL 1", "raw", 1.0, 0),
            variant("exp:5, KL 1", "exp:5", 1.0, 0),
        ];
        let duels = |against: &str| {
            let mut config = Config::default();
            config.evaluate.against = Some(against.to_owned());
            duels(&config, &variants)
        };
        let pairs = |all: &[(&str, &str)]| {
            let pair = |(l, r): &(&str, &str)| ((*l).to_owned(), (*r).to_owned());
            Pairs::Of(all.iter().map(pair).collect())
        };
        let by_form = [
            ("exp:5, KL 0.5", "raw, KL 0.5"),
            ("exp:5, KL 1", "raw, KL 1"),
        ];
        assert_eq!(duels("raw").unwrap(), pairs(&by_form));
        let by_name = ["raw, KL 0.5", "exp:5, KL 0.5", "exp:5, KL 1"].map(|n| (n, "raw, KL 1"));
        assert_eq!(duels("raw, KL 1").unwrap(), pairs(&by_name));
        let unknown = duels("rew").unwrap_err().to_string();
        assert!(
            unknown.starts_with("evaluate.against: `rew` is no policy"),
            "{unknown}"
        );
        assert!(unknown.ends_with("exp:5, KL 1"), "{unknown}");
        assert_eq!(
            super::duels(&Config::default(), &variants).unwrap(),
            Pairs::None
        );
    }

    #[test]
    fn procedures_are_as_configured_or_those_of_the_design_with_other_n() {
        let told = |text: &str| -> Vec<String> {
            let config = parse(text, "run.toml", &[]).unwrap();
            let all = executed(&config).unwrap();
            all.iter().map(ToString::to_string).collect()
        };
        assert_eq!(
            told("[evaluate]\nsamples = 8\n"),
            ["standard", "worst-of:4", "worst-of:2", "worst-of:8"]
        );
        assert_eq!(
            told("[evaluate]\nprocedures = [\"voting:8\", \"best-of:2\"]\n"),
            ["voting:8", "best-of:2"]
        );
    }

    #[test]
    fn what_cannot_be_measured_is_refused_before_anything_begins() {
        for (text, says) in [
            (
                "[design]\nprocedures = [\"voting:4\"]\n",
                "voting belongs into evaluate.procedures",
            ),
            (
                "[evaluate]\nprocedures = [\"voting:64\"]\n",
                "at least 64: voting:64 takes so many",
            ),
            (
                "[evaluate]\nprocedures = [\"voting:0\"]\n",
                "such as voting:8",
            ),
            (
                "[evaluate]\nprocedures = [\"voting:4\"]\nanswers = \"a\"\n",
                "it has 0 groups",
            ),
            (
                "[reward]\nthresholds = { length = 3.0 }\n",
                "reward.thresholds is length; expected a reward of this run: fit, gold",
            ),
            (
                "[reward]\nthresholds = { gold = inf }\n",
                "reward.thresholds is inf",
            ),
            (
                "[reward]\njudges = [\"gold\", \"gold\"]\n",
                "reward.judges is gold; expected each reward once",
            ),
        ] {
            let told = parse(text, "run.toml", &[]).unwrap_err().to_string();
            assert!(
                told.starts_with("run.toml: ") && told.contains(says),
                "{told}"
            );
        }
    }
}
