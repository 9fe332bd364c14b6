//! Which policies a run trains: forms of the reward × procedures they are designed for × KL budgets × seeds, each with its Φ and first β.

use std::sync::Arc;

use infalign::{
    Deployment, Procedure, ProcedureSpec, Transform, TransformSpec,
    design::{Budget, Design, Question, default_transforms, design_with_transforms},
    raw::RawRewards,
};

use crate::{
    config::{Config, DesignConfig},
    error::{Error, Result},
};

use crate::config::{DESIGNED, RAW};

/// A policy to be trained.
#[derive(Debug, Clone)]
pub struct Variant {
    /// What it is called in tables and plots.
    pub name: String,
    /// Its folder's name.
    pub slug: String,
    /// `raw`, `identity`, `exp:10`, `optimal`.
    pub reward: String,
    /// Φ; none for raw.
    pub transform: Option<Arc<dyn Transform>>,
    /// What the reward was designed for, where it depends on it.
    pub procedure: Option<Arc<dyn Procedure>>,
    /// KL budget in nats.
    pub kl: f64,
    /// Seed of training.
    pub seed: u64,
    /// Share of the optimum's gain that the theory promises it under `procedure`.
    pub(crate) share: f64,
    /// β at which the theory spends the budget with a calibration of this K.
    pub beta: f64,
}

/// The procedures of a configuration.
pub(crate) fn procedures(texts: &[String]) -> Result<Vec<Arc<dyn Procedure>>> {
    let one = |text: &String| match text.parse::<ProcedureSpec>()? {
        ProcedureSpec::Ready(procedure) => Ok(procedure),
        ProcedureSpec::Cdf(file) => Err(Error::Config {
            place: "design.procedures".to_owned(),
            why: format!(
                "`cdf:{file}` cannot be executed on samples; use best-of, worst-of or order"
            ),
        }),
    };
    texts.iter().map(one).collect()
}

/// One design for each procedure and budget, and the policies that follow.
pub(crate) fn design(config: &Config, table: &RawRewards) -> Result<(Vec<Design>, Vec<Variant>)> {
    let procedures = procedures(&config.design.procedures)?;
    let mut designs = Vec::new();
    let mut found: Vec<Variant> = Vec::new();
    for procedure in &procedures {
        for (number, &kl) in config.design.kl.iter().enumerate() {
            let (design, transforms) = design_with_transforms(&Question {
                transforms: wanted(&config.design, procedure, kl)?,
                k: Some(config.calibration.rollouts),
                raw: Some(table.clone()),
                frontier: number == 0,
                phi: true,
                ..Question::new(Arc::clone(procedure), Budget::Kl(kl))
            })?;
            for reward in &config.design.rewards {
                add(&mut found, config, reward, &design, &transforms, procedure)?;
            }
            designs.push(design);
        }
    }
    if procedures.iter().all(|p| p.to_string() != STANDARD) {
        designs.push(plain(config, table)?);
    }
    Ok((designs, found))
}

const STANDARD: &str = "standard";

/// What the same policies do where one plain sample is drawn: the other axis of every comparison.
fn plain(config: &Config, table: &RawRewards) -> Result<Design> {
    let procedure: Arc<dyn Procedure> = Arc::new(infalign::procedure::Standard);
    let kl = config.design.kl.first().copied().unwrap_or(0.5);
    let (design, _) = design_with_transforms(&Question {
        transforms: wanted(&config.design, &procedure, kl)?,
        k: Some(config.calibration.rollouts),
        raw: Some(table.clone()),
        frontier: true,
        ..Question::new(procedure, Budget::Kl(kl))
    })?;
    Ok(design)
}

/// The transforms that a design compares: those asked for beside the usual ones.
fn wanted(
    config: &DesignConfig,
    procedure: &Arc<dyn Procedure>,
    kl: f64,
) -> Result<Vec<TransformSpec>> {
    let deployment = Deployment::new(Arc::clone(procedure), &[]);
    let mut all: Vec<TransformSpec> = default_transforms(&deployment, kl)?
        .into_iter()
        .map(Into::into)
        .collect();
    all.push(TransformSpec::Optimal);
    for reward in &config.rewards {
        if reward != RAW && reward != DESIGNED {
            let spec: TransformSpec = reward.parse()?;
            if !all.contains(&spec) {
                all.push(spec);
            }
        }
    }
    Ok(all)
}

/// Adds the policies of one form of the reward at one design, unless they are there.
fn add(
    found: &mut Vec<Variant>,
    config: &Config,
    reward: &str,
    design: &Design,
    transforms: &[Arc<dyn Transform>],
    procedure: &Arc<dyn Procedure>,
) -> Result<()> {
    let form = if reward == DESIGNED {
        design.recommended.transform.clone()
    } else {
        reward.to_owned()
    };
    let row = design
        .transforms
        .iter()
        .find(|row| row.transform == form)
        .ok_or_else(|| Error::bug(format!("the design has no row `{form}`")))?;
    // Raw and calibrated rewards are nobody's; a transform is the procedure's that it suits best.
    let designed = form != RAW && form != "identity";
    let share = row.share_of_optimum;
    let several = config.design.procedures.len() > 1;
    for &seed in &config.design.seeds {
        let mut name = form.clone();
        if form == "optimal" && several {
            name = format!("{name} for {procedure}");
        }
        if config.design.kl.len() > 1 {
            name = format!("{name}, KL {}", design.kl);
        }
        if config.design.seeds.len() > 1 {
            name = format!("{name}, seed {seed}");
        }
        if let Some(twin) = found.iter_mut().find(|v| v.name == name) {
            // The same policy serves both procedures.
            if designed && share > twin.share {
                twin.procedure = Some(Arc::clone(procedure));
                twin.share = share;
            }
            continue;
        }
        found.push(Variant {
            slug: slug(&name),
            transform: transforms.iter().find(|t| t.to_string() == form).cloned(),
            procedure: designed.then(|| Arc::clone(procedure)),
            share,
            kl: design.kl,
            seed,
            beta: config
                .train
                .beta
                .unwrap_or_else(|| row.at_k.map_or(row.beta, |at| at.beta)),
            reward: form.clone(),
            name,
        });
    }
    Ok(())
}

/// A name of letters, digits and hyphens.
fn slug(name: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || c == '.' {
            c
        } else {
            '-'
        }
    };
    let text: String = name.replace(":-", "-minus").chars().map(plain).collect();
    let parts: Vec<&str> = text.split('-').filter(|p| !p.is_empty()).collect();
    parts.join("-")
}

#[cfg(test)]
mod tests {
    use super::slug;

    #[test]
    fn slugs_are_plain_and_tell_signs_apart() {
        assert_eq!(slug("exp:-10, KL 0.5, seed 1"), "exp-minus10-KL-0.5-seed-1");
        assert_ne!(slug("exp:10"), slug("exp:-10"));
        assert_eq!(slug("optimal for best-of:4"), "optimal-for-best-of-4");
    }
}
