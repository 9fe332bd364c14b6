//! Keys that were set and change nothing are refused, with the reason and the remedy: whoever sets one believes that it does something.
//!
//! Set is what `--set` names, and what stands in the file with another value than the default: a file as `infalign config default` writes it holds
//! every key, and must stay a place to begin from.

use toml::{Table, Value};

use super::{Config, TAVERN, Trainer};
use crate::error::{Error, Result};

/// Keys (or a table of them) that change nothing where `idle` holds.
struct Rule {
    key: &'static str,
    idle: bool,
    why: &'static str,
    remedy: &'static str,
}

/// What only this program's training reads.
const OURS: [&str; 14] = [
    "train.objective",
    "train.kl",
    "train.accumulate",
    "train.warmup",
    "train.floor",
    "train.clip",
    "train.gain",
    "train.brake",
    "train.land",
    "train.held_out_every",
    "train.epochs",
    "train.warm_start",
    "train.recompute",
    "policy.lora_rank",
];

/// Which keys the rest of the configuration makes idle.
fn rules(config: &Config) -> Vec<Rule> {
    let (t, p) = (&config.train, &config.prompts);
    let projection = t.objective == "projection";
    let votes = config
        .evaluate
        .procedures
        .iter()
        .any(|procedure| procedure.trim().starts_with("voting:"));
    let rule = |key, idle, why, remedy| Rule {
        key,
        idle,
        why,
        remedy,
    };
    const JUDGE: &str =
        "leave it out, or name judge:http://… as reward.train_on or among reward.judges";
    const OBJECTIVE: &str = "leave it out, or choose rloo, ppo or grpo as train.objective";
    let handed = t.trainer != Trainer::Infalign;
    let (judge, remote) = config.asks();
    let compares = !config.evaluate.compare.is_empty();
    let policy_served = config.is_served() || handed;
    let others = OURS.iter().map(|key| {
        rule(
            key,
            handed,
            "another trainer does the training (train.trainer)",
            "leave it out, or set it in what is written for that trainer",
        )
    });
    let mut rules = vec![
        rule(
            "server",
            !policy_served && !remote && !compares,
            "neither a policy nor a reward is behind HTTP",
            "leave it out, or give policy.model an address",
        ),
        rule(
            "server.dialect",
            !policy_served,
            "no policy is behind HTTP; a reward server's kind stands before its address",
            "leave it out, or give policy.model an address",
        ),
        rule(
            "server.key",
            !policy_served,
            "no policy is behind HTTP; reward servers and judges take the key of INFALIGN_API_KEY",
            "leave it out, or give policy.model an address",
        ),
        rule(
            "judge",
            !judge && !compares,
            "no language model judges",
            "leave it out, or name judge:http://… as reward.train_on, among reward.judges or in evaluate.compare",
        ),
        rule(
            "judge.pair_rubric",
            !compares,
            "no judge compares two responses",
            "leave it out, or name judge:http://… in evaluate.compare",
        ),
        rule(
            "judge.rubric",
            !judge,
            "no reward is a judge; those of evaluate.compare read judge.pair_rubric",
            JUDGE,
        ),
        rule(
            "judge.scale",
            !judge,
            "no reward is a judge; those of evaluate.compare give no ratings",
            JUDGE,
        ),
        rule(
            "judge.draws",
            !judge,
            "no reward is a judge; those of evaluate.compare are asked once in each order",
            JUDGE,
        ),
        rule(
            "evaluate.compare_pairs",
            !compares,
            "no judge compares two responses",
            "leave it out, or name judge:http://… in evaluate.compare",
        ),
        rule(
            "policy.weights",
            !config.is_served(),
            "policy.model is a folder, which is what a trainer loads",
            "leave it out",
        ),
        rule(
            "train.kl",
            projection,
            "objective `projection` has no estimator of the KL: its cross-entropy with the base is exact",
            OBJECTIVE,
        ),
        rule(
            "train.epochs",
            projection,
            "objective `projection` takes the rollouts of a step once",
            OBJECTIVE,
        ),
        rule(
            "train.warm_start",
            projection,
            "objective `projection` projects in every step",
            OBJECTIVE,
        ),
        rule(
            "train.gain",
            projection,
            "objective `projection` keeps the design's β: no controller moves it",
            OBJECTIVE,
        ),
        rule(
            "train.gain",
            t.beta.is_some(),
            "train.beta fixes β: no controller moves it",
            "leave one of the two out",
        ),
        rule(
            "train.brake",
            projection,
            "objective `projection` keeps the design's β: no controller moves it",
            OBJECTIVE,
        ),
        rule(
            "train.brake",
            t.beta.is_some(),
            "train.beta fixes β: no controller moves it",
            "leave one of the two out",
        ),
        rule(
            "train.land",
            t.beta.is_some() && t.land,
            "with train.beta there is no budget to put the policy on",
            "leave one of the two out",
        ),
        rule(
            "reward.fit",
            !config.fits(),
            "no reward is `fit`, so no reward model is trained",
            "leave it out, or name `fit` as reward.train_on or among reward.judges",
        ),
        rule(
            "policy.lora_alpha",
            config.policy.lora_rank == 0,
            "without adapters (policy.lora_rank = 0) all weights are trained",
            "leave it out, or set policy.lora_rank",
        ),
        rule(
            "prompts.held_out_file",
            p.file == TAVERN,
            "the embedded task has held-out prompts of its own",
            "leave it out, or name a prompts.file of yours",
        ),
        rule(
            "prompts.held_out",
            p.file != TAVERN && p.held_out_file.is_some(),
            "all prompts of prompts.held_out_file are held out",
            "leave one of the two out",
        ),
        rule(
            "evaluate.answers",
            !votes,
            "no procedure asks for answers",
            "leave it out, or add voting:N to evaluate.procedures",
        ),
    ];
    rules.extend(others);
    rules
}

/// Refuses the first key that is set and idle; `name` is the file's.
pub(super) fn refuse(config: &Config, name: &str, set: &[String]) -> Result<()> {
    let (given, default) = (table(config)?, table(&Config::default())?);
    for rule in rules(config).into_iter().filter(|rule| rule.idle) {
        let typed = set.iter().find_map(|setting| {
            let key = setting.split('=').next().unwrap_or_default().trim();
            let rest = key.strip_prefix(rule.key)?;
            (rest.is_empty() || rest.starts_with('.')).then_some((setting, key))
        });
        let changed = changed(rule.key, find(&given, rule.key), find(&default, rule.key));
        let (place, key) = match (typed, changed) {
            (Some((setting, key)), _) => (format!("--set {setting}"), key.to_owned()),
            (None, Some(key)) => (name.to_owned(), key),
            (None, None) => continue,
        };
        let value = find(&given, &key).map_or_else(String::new, Value::to_string);
        return Err(Error::Config {
            place,
            why: format!(
                "{key} is {value}, which changes nothing: {}; {}",
                rule.why, rule.remedy
            ),
        });
    }
    Ok(())
}

fn table(config: &Config) -> Result<Table> {
    Table::try_from(config).map_err(|e| Error::bug(format!("a configuration is no table: {e}")))
}

/// The value of a dotted key.
fn find<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
    let (outer, last) = key.rsplit_once('.').unwrap_or(("", key));
    let mut place = table;
    for part in outer.split('.').filter(|part| !part.is_empty()) {
        place = place.get(part)?.as_table()?;
    }
    place.get(last)
}

/// The first key under `key` whose value is not the default's.
fn changed(key: &str, given: Option<&Value>, default: Option<&Value>) -> Option<String> {
    match (given, default) {
        (Some(Value::Table(given)), Some(Value::Table(default))) => {
            given.iter().find_map(|(name, value)| {
                changed(&format!("{key}.{name}"), Some(value), default.get(name))
            })
        }
        (Some(given), default) if Some(given) != default => Some(key.to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use crate::config::{Config, parse};

    fn said(text: &str, set: &[&str]) -> Option<String> {
        let set: Vec<String> = set.iter().map(|&s| s.to_owned()).collect();
        parse(text, "run.toml", &set).err().map(|e| e.to_string())
    }

    #[test]
    fn an_idle_key_is_named_with_its_reason_and_the_remedy() {
        assert_eq!(
            said("[train]\nobjective = \"projection\"\nkl = \"k3\"\n", &[]).unwrap(),
            "run.toml: train.kl is \"k3\", which changes nothing: objective `projection` has no estimator of the KL: its cross-entropy with \
             the base is exact; leave it out, or choose rloo, ppo or grpo as train.objective"
        );
    }

    #[test]
    fn every_idle_key_is_refused_and_nothing_where_it_works() {
        let own = "[prompts]\nfile = \"p\"\n[reward]\njudges = []\ntrain_on = \"length\"\n";
        for (rest, key, idle, works) in [
            (
                "",
                "train.kl=\"k1\"",
                "train.objective=projection",
                "train.objective=rloo",
            ),
            (
                "",
                "train.epochs=2",
                "train.objective=projection",
                "train.objective=grpo",
            ),
            (
                "",
                "train.warm_start=9",
                "train.objective=projection",
                "train.objective=rloo",
            ),
            (
                "",
                "train.gain=0.1",
                "train.objective=projection",
                "train.objective=ppo",
            ),
            ("", "train.gain=0.1", "train.beta=0.1", "train.land=true"),
            (
                "",
                "train.brake=2.0",
                "train.objective=projection",
                "train.objective=rloo",
            ),
            ("", "train.brake=2.0", "train.beta=0.1", "train.gain=0.1"),
            ("", "train.land=true", "train.beta=0.1", "train.gain=0.1"),
            ("", "server.in_flight=4", "train.trainer=infalign", ""),
            (
                "",
                "server.deadline=60.0",
                "reward.judges=[]",
                "reward.judges=[\"vllm:http://h\"]",
            ),
            ("", "server.key=K", "reward.judges=[\"vllm:http://h\"]", ""),
            (
                "",
                "server.dialect=vllm",
                "reward.judges=[\"vllm:http://h\"]",
                "",
            ),
            (
                "",
                "judge.max_tokens=64",
                "reward.judges=[\"length\"]",
                "reward.judges=[\"sum(judge:http://h + 0.1*length)\"]",
            ),
            (
                "",
                "judge.rubric=r",
                "evaluate.compare=[\"judge:http://h\"]",
                "reward.judges=[\"judge:http://h\"]",
            ),
            (
                "",
                "judge.scale=[0, 5]",
                "evaluate.compare=[\"judge:http://h\"]",
                "reward.train_on=judge:http://h",
            ),
            (
                "judge.temperature = 0.5\n",
                "judge.draws=4",
                "evaluate.compare=[\"judge:http://h\"]",
                "reward.judges=[\"judge:http://h\"]",
            ),
            (
                "",
                "judge.pair_rubric=r",
                "reward.judges=[\"judge:http://h\"]",
                "evaluate.compare=[\"judge:http://h\"]",
            ),
            (
                "",
                "evaluate.compare_pairs=2",
                "reward.judges=[\"judge:http://h\"]",
                "evaluate.compare=[\"judge:http://h\"]",
            ),
            ("", "policy.weights=w", "policy.model=tavern", ""),
            (own, "reward.fit.epochs=3.0", "reward.judges=[]", ""),
            (
                "",
                "reward.fit.pairs=9",
                "reward.train_on=length",
                "reward.judges=[\"length\"]",
            ),
            (
                "",
                "policy.lora_alpha=8.0",
                "policy.lora_rank=0",
                "policy.lora_rank=2",
            ),
            ("", "prompts.held_out_file=x", "prompts.file=tavern", ""),
            (
                own,
                "prompts.held_out=5",
                "prompts.held_out_file=x",
                "prompts.limit=3",
            ),
            (
                "",
                "evaluate.answers=\"(.)\"",
                "evaluate.procedures=[\"standard\"]",
                "evaluate.procedures=[\"voting:3\"]",
            ),
        ] {
            let name = key.split('=').next().unwrap();
            let told = said(rest, &[key, idle]).unwrap();
            assert!(
                told.starts_with(&format!("--set {key}: {name} is ")),
                "{told}"
            );
            assert!(told.contains("which changes nothing"), "{told}");
            if !works.is_empty() {
                assert_eq!(said(rest, &[key, works]), None, "{key} {works}");
            }
        }
    }

    #[test]
    fn what_a_file_says_counts_where_it_is_not_the_default() {
        let file = |rest: &str| format!("[reward]\ntrain_on = \"length\"\njudges = []\n{rest}");
        let told = said(&file("[reward.fit]\npairs = 7\n"), &[]).unwrap();
        assert!(
            told.starts_with("run.toml: reward.fit.pairs is 7, "),
            "{told}"
        );
        // A whole file is a place to begin from, but what is typed is meant.
        let whole = Config::default().to_toml();
        assert_eq!(said(&whole, &["train.objective=projection"]), None);
        assert!(said(&whole, &["train.objective=projection", "train.kl=exact"]).is_some());
    }

    #[test]
    fn a_controller_that_swings_is_refused() {
        let told = said("[train]\ngain = 0.25\n", &[]).unwrap();
        assert!(
            told.starts_with("run.toml: train.gain is 0.25; expected "),
            "{told}"
        );
        assert!(told.contains("at most 0.2"), "{told}");
        assert_eq!(said("[train]\ngain = 0.2\n", &[]), None);
    }
}
