//! What rewards behind HTTP are asked with by commands without a configuration: the flags about judges, checked and read.

use std::path::PathBuf;

use infalign_remote::reward::{JudgeOptions, Rubric};
use infalign_reward::{Error as RewardError, RemoteOpening};

use crate::{
    args::Judging,
    error::{Error, Result},
    print,
};

/// Which judges a command names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Judges {
    /// One rates responses.
    pub(super) rate: bool,
    /// One compares two.
    pub(super) compare: bool,
}

impl Judging {
    /// Refuses flags that would change nothing.
    pub(super) fn check(&self, judges: Judges) -> Result<()> {
        for (flag, given, idle) in [
            ("--rubric", self.rubric.is_some(), !judges.rate),
            ("--scale", self.scale.is_some(), !judges.rate),
            (
                "--judge-tokens",
                self.judge_tokens.is_some(),
                !judges.rate && !judges.compare,
            ),
            (
                "--keep-verdicts",
                self.keep_verdicts.is_some(),
                !judges.rate && !judges.compare,
            ),
        ] {
            if given && idle {
                return Err(Error::Usage(format!(
                    "{flag} changes nothing: no reward is a judge; leave it out, or name judge:http://… as a reward"
                )));
            }
        }
        Ok(())
    }

    /// What rewards are opened with; verdicts go `beside` a result where no folder is named.
    pub(super) fn asking(
        &self,
        judges: Judges,
        pair_rubric: Option<&PathBuf>,
        beside: Option<PathBuf>,
    ) -> Result<RemoteOpening> {
        self.check(judges)?;
        let mut options = JudgeOptions::default();
        if let Some(path) = &self.rubric {
            options.rubric = Rubric::from_file(path).map_err(RewardError::from)?;
        }
        if let Some(path) = pair_rubric {
            options.pair_rubric = Rubric::from_file(path).map_err(RewardError::from)?;
        }
        if let Some(scale) = self.scale {
            options.scale = scale;
        }
        if let Some(most) = self.judge_tokens {
            options.max_tokens = most;
        }
        options.validate().map_err(RewardError::from)?;
        if judges.rate || judges.compare {
            options.cache = self.keep_verdicts.clone().or(beside);
            if let Some(folder) = &options.cache {
                print::note(&format!(
                    "verdicts are kept in {}: the same command asks for those alone that are missing",
                    folder.display()
                ));
            }
        }
        Ok(RemoteOpening {
            judge: options,
            ..RemoteOpening::default()
        })
    }
}
