//! Which columns of a file are the prompt, the rewards and the texts, by the options or by habit.

use super::ReadOptions;
use crate::error::{Error, Result, Role};

// Names in the wild: this project's own, RLHFlow's instances, QRPO's reference columns.
const PROMPTS: &[&str] = &["prompt_id", "prompt"];
const REWARDS: &[&str] = &["rewards", "reward", "ref_rewards"];
const GOLDS: &[&str] = &["gold", "gold_rewards", "gold_reward"];
const PROMPT_TEXTS: &[&str] = &["prompt"];
const RESPONSES: &[&str] = &[
    "responses",
    "response",
    "completions",
    "completion",
    "ref_completions",
];

/// The columns to read, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Columns {
    /// `None` where prompts are to be numbered (one row per prompt only).
    pub(super) id: Option<String>,
    /// The training reward, then those that judge.
    pub(super) rewards: Vec<String>,
    /// The prompt's text, where it is kept and is not the id.
    pub(super) prompt: Option<String>,
    /// The responses, where they are kept.
    pub(super) responses: Option<String>,
}

impl Columns {
    pub(super) fn choose(file: &str, found: &[String], options: &ReadOptions) -> Result<Self> {
        let usual = |names: &[&str]| {
            names
                .iter()
                .find(|n| found.iter().any(|f| f == *n))
                .map(|&n| n.to_owned())
        };
        let named = |role, name: &String| {
            if found.contains(name) {
                Ok(name.clone())
            } else {
                Err(missing(file, role, vec![name.clone()], found))
            }
        };
        let id = match &options.prompt_column {
            Some(name) => Some(named(Role::Prompt, name)?),
            None => usual(PROMPTS),
        };
        let reward = match &options.reward_column {
            Some(name) => named(Role::Reward, name)?,
            None => usual(REWARDS).ok_or_else(|| {
                let wanted = REWARDS.iter().map(|&n| n.to_owned()).collect();
                missing(file, Role::Reward, wanted, found)
            })?,
        };
        let mut rewards = vec![reward];
        for name in &options.gold_columns {
            let name = named(Role::Gold, name)?;
            if rewards.contains(&name) {
                return Err(Error::RepeatedColumn {
                    file: file.to_owned(),
                    column: name,
                });
            }
            rewards.push(name);
        }
        if options.gold_columns.is_empty() {
            rewards.extend(usual(GOLDS).filter(|gold| *gold != rewards[0]));
        }
        let text = |names| if options.texts { usual(names) } else { None };
        let prompt = text(PROMPT_TEXTS).filter(|prompt| Some(prompt) != id.as_ref());
        let columns = Self {
            id,
            rewards,
            prompt,
            responses: text(RESPONSES),
        };
        for name in columns.names() {
            if found.iter().filter(|f| *f == name).count() > 1 {
                let column = name.clone();
                return Err(Error::RepeatedColumn {
                    file: file.to_owned(),
                    column,
                });
            }
        }
        Ok(columns)
    }

    fn names(&self) -> impl Iterator<Item = &String> {
        self.id
            .iter()
            .chain(&self.rewards)
            .chain(&self.prompt)
            .chain(&self.responses)
    }

    /// The id column, which one row per response cannot do without.
    pub(super) fn id_of_long(&self, file: &str, found: &[String]) -> Result<&str> {
        self.id.as_deref().ok_or_else(|| {
            let wanted = PROMPTS.iter().map(|&n| n.to_owned()).collect();
            missing(file, Role::Prompt, wanted, found)
        })
    }
}

pub(crate) fn missing(file: &str, role: Role, wanted: Vec<String>, found: &[String]) -> Error {
    const ALIKE: f64 = 0.6; // normalised Damerau-Levenshtein; `reward` to `gold_reward` is 0.55
    let nearest = wanted
        .iter()
        .flat_map(|w| found.iter().map(move |f| (likeness(w, f), f)))
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, f)| f.clone());
    Error::NoSuchColumn {
        file: file.to_owned(),
        role,
        wanted,
        found: found.to_vec(),
        nearest,
    }
}

fn likeness(a: &str, b: &str) -> f64 {
    strsim::normalized_damerau_levenshtein(&a.to_lowercase(), &b.to_lowercase())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    fn strings(names: &[&str]) -> Vec<String> {
        names.iter().map(|&n| n.to_owned()).collect()
    }

    #[test]
    fn habits() {
        let found = strings(&[
            "prompt",
            "prompt_id",
            "responses",
            "rewards",
            "gold",
            "length",
        ]);
        let lean = Columns::choose("f", &found, &ReadOptions::default()).unwrap();
        assert_eq!(lean.id.as_deref(), Some("prompt_id"));
        assert_eq!(lean.rewards, ["rewards", "gold"]);
        assert_eq!((lean.prompt, lean.responses), (None, None));
        let options = ReadOptions {
            texts: true,
            ..ReadOptions::default()
        };
        let full = Columns::choose("f", &found, &options).unwrap();
        assert_eq!(full.prompt.as_deref(), Some("prompt"));
        assert_eq!(full.responses.as_deref(), Some("responses"));
    }

    #[test]
    fn a_named_column_that_is_missing_is_spelled_nearest() {
        let found = strings(&["prompt_id", "proxy_train_rm", "gold_test_rm"]);
        let options = ReadOptions {
            reward_column: Some("proxy_trian_rm".to_owned()),
            ..Default::default()
        };
        let message = Columns::choose("s.csv", &found, &options)
            .unwrap_err()
            .to_string();
        assert_eq!(
            message,
            "s.csv: no reward column `proxy_trian_rm` (did you mean `proxy_train_rm`?); columns \
             found: `prompt_id`, `proxy_train_rm`, `gold_test_rm`; name it with --reward-column"
        );
        let usual = Columns::choose("s.csv", &found, &ReadOptions::default()).unwrap_err();
        assert!(
            matches!(usual, Error::NoSuchColumn { nearest: None, .. }),
            "{usual}"
        );
    }

    #[test]
    fn a_column_cannot_serve_twice() {
        let options = ReadOptions {
            gold_columns: strings(&["reward"]),
            ..Default::default()
        };
        let found = strings(&["prompt", "reward"]);
        let error = Columns::choose("f", &found, &options).unwrap_err();
        assert!(matches!(error, Error::RepeatedColumn { .. }));
        let found = strings(&["prompt", "reward", "reward"]);
        let error = Columns::choose("f", &found, &ReadOptions::default()).unwrap_err();
        assert!(matches!(error, Error::RepeatedColumn { .. }));
    }
}
