//! One policy: its figures from samples, then beside what the theory says.

use super::{
    Behaviour, Gap, LawOfU, PolicyResult, Question, Samples, WinRate,
    behaviour::behaviour,
    executed::PerJudge,
    gap::Spent,
    prediction::{Predictor, Theory},
    quantile_law::broken,
    samples::PolicySamples,
};
use crate::{
    Result, Warning,
    estimate::{
        Estimate, LogProbsOf, PromptMeans, Resolution, SequenceKl, SequenceKlEstimator, k1,
        kl_efficiency, kl_of_ranks, quantile_kl,
    },
    raw::RawRewards,
    recorded::split::stream,
};

/// How far from its budget a KL may be without being remarked on, as a share of the budget.
const ALLOWED_MISS: f64 = 0.05;

/// One policy's figures before any theory.
pub(super) struct Measured<'a> {
    policy: &'a PolicySamples<'a>,
    question: &'a Question,
    base_samples: usize,
    behaviour: Behaviour,
    /// By procedure and judge.
    win_rates: Vec<Vec<Estimate>>,
    kl: Option<SequenceKl>,
    quantile_kl: Estimate,
    /// Cells of the quantile KL.
    bins: usize,
    kl_efficiency: Option<Estimate>,
    law: LawOfU,
}

impl<'a> Measured<'a> {
    pub(super) fn new(
        policy: &'a PolicySamples<'a>,
        won: &[PerJudge],
        sorted: &[Vec<f32>],
        (samples, question): (&Samples<'_>, &'a Question),
    ) -> Result<Self> {
        let bounded = |values: &Vec<f64>| Ok(Estimate::from_values(values)?.within(0.0, 1.0));
        let win_rates = won
            .iter()
            .map(|judges| judges.iter().map(bounded).collect())
            .collect::<Result<_>>()?;
        let rewards = policy.responses.iter().map(|r| r.rewards[0]);
        let places = rewards.clone().zip(sorted.iter().map(Vec::as_slice));
        let law = LawOfU::measured(places.clone())?;
        let u: Vec<Vec<f64>> = places
            .zip(&samples.prompts)
            .map(|((rewards, sorted), id)| {
                let mut rng = stream(&format!("{} of {id}", policy.name), question.seed);
                rewards
                    .iter()
                    .map(|r| broken(sorted, *r, &mut rng))
                    .collect()
            })
            .collect();
        let base_samples = sorted[0].len();
        let quantile = quantile_kl(&u, None, Resolution::Rollouts(base_samples))?;
        let (kl, per_prompt) = sequence_kl(policy)?.unzip();
        let efficiency = per_prompt
            .filter(|kl: &Vec<f64>| kl.iter().sum::<f64>() > 0.0)
            .map(|kl| kl_efficiency(&quantile.per_prompt, &kl))
            .transpose()?;
        Ok(Self {
            policy,
            question,
            base_samples,
            behaviour: behaviour(&policy.responses, &question.judges)?,
            win_rates,
            kl,
            quantile_kl: quantile.estimate,
            bins: quantile.bins,
            kl_efficiency: efficiency,
            law,
        })
    }

    /// The result, with predictions, optima and gaps where there are any.
    pub(super) fn beside_theory(
        self,
        theories: &mut [Option<Theory>],
        table: Option<&RawRewards>,
        warnings: &mut Vec<Warning>,
    ) -> Result<PolicyResult> {
        let policy = self.policy;
        let predictor = Predictor::new(&policy.trained_on, table);
        let spent = self.kl.map(|kl| kl.rao_blackwell.unwrap_or(kl.k1).mean);
        self.warn(spent, warnings);
        let ceiling = self.efficiency_ceiling(predictor.as_ref(), spent)?;
        let (mut rows, mut gaps) = (Vec::new(), Vec::new());
        for (theory, (procedure, won)) in theories
            .iter_mut()
            .zip(self.question.procedures.iter().zip(&self.win_rates))
        {
            for (judge, win_rate) in self.question.judges.iter().zip(won) {
                rows.push(WinRate {
                    procedure: procedure.to_string(),
                    judge: judge.name.clone(),
                    win_rate: *win_rate,
                    predicted: None,
                    predicted_at_measured_kl: None,
                    optimum: None,
                });
            }
            let first = rows.len() - won.len();
            let (Some(theory), row) = (theory, &mut rows[first]) else {
                continue;
            };
            row.optimum = spent.map(|kl| theory.optimum(kl)).transpose()?;
            if let Some(optimum) = row.optimum.filter(|optimum| won[0].low > *optimum) {
                warnings.push(Warning::AboveOptimum {
                    policy: policy.name.clone(),
                    procedure: procedure.to_string(),
                    win_rate: won[0].mean,
                    optimum,
                });
            }
            let Some(predictor) = &predictor else {
                continue;
            };
            if let (Some(budget), Some(sequence)) = (policy.kl_budget, spent) {
                let spent = Spent {
                    budget,
                    sequence,
                    useful: sequence.min(self.quantile_kl.mean / ceiling.unwrap_or(1.0)),
                };
                let gap = Gap::new(theory, predictor, spent, won[0])?;
                row.predicted = Some(gap.predicted);
                row.predicted_at_measured_kl = Some(gap.predicted_at_measured_kl);
                gaps.push(gap);
            } else {
                let at = |kl: Option<f64>| kl.map(|kl| predictor.calibrated(theory, kl));
                row.predicted = at(policy.kl_budget).transpose()?;
                row.predicted_at_measured_kl = at(spent).transpose()?;
            }
        }
        let aim = policy.kl_budget.or(spent);
        let aim = match (&predictor, aim) {
            (Some(predictor), Some(kl)) => predictor.aim(kl)?,
            _ => None,
        };
        let law = match &aim {
            Some(aim) => self.law.beside(aim, self.base_samples),
            None => self.law,
        };
        Ok(PolicyResult {
            name: policy.name.clone(),
            reward: policy.trained_on.to_string(),
            designed_for: policy.designed_for.as_ref().map(ToString::to_string),
            seed: policy.seed,
            kl_budget: policy.kl_budget,
            beta: policy.beta,
            kl: self.kl,
            quantile_kl: self.quantile_kl,
            kl_efficiency: self.kl_efficiency,
            kl_efficiency_ceiling: ceiling,
            win_rates: rows,
            law,
            behaviour: self.behaviour,
            gap: gaps,
        })
    }

    /// The KL efficiency that a policy shows which does at this KL exactly what it was trained for; `None` where no law is known.
    fn efficiency_ceiling(
        &self,
        predictor: Option<&Predictor>,
        spent: Option<f64>,
    ) -> Result<Option<f64>> {
        let (Some(predictor), Some(kl)) = (predictor, spent) else {
            return Ok(None);
        };
        let Some(aim) = predictor.aim(kl)? else {
            return Ok(None);
        };
        let shown = kl_of_ranks(&aim.trained.places(self.base_samples), self.bins)?;
        let ceiling = shown / kl;
        Ok((ceiling > 0.0).then_some(ceiling))
    }

    fn warn(&self, spent: Option<f64>, warnings: &mut Vec<Warning>) {
        let policy = || self.policy.name.clone();
        if self
            .kl
            .is_some_and(|kl| kl.log_probs_of == LogProbsOf::AnotherDistribution)
        {
            warnings.push(Warning::AnotherDistribution { policy: policy() });
        }
        if let (Some(budget), Some(measured)) = (self.policy.kl_budget, spent)
            && (measured - budget).abs() > ALLOWED_MISS * budget
        {
            warnings.push(Warning::KlMissed {
                policy: policy(),
                budget,
                measured,
            });
        }
    }
}

/// KL(π‖p) over prompts, and its best estimate prompt by prompt; `None` without log-probabilities.
fn sequence_kl(policy: &PolicySamples<'_>) -> Result<Option<(SequenceKl, Vec<f64>)>> {
    let mut estimator = SequenceKlEstimator::new(policy.log_probs_of);
    let mut log_ratios = PromptMeans::new();
    for (prompt, responses) in policy.responses.iter().enumerate() {
        let Some(log_probs) = &responses.log_probs else {
            return Ok(None);
        };
        for (log_policy, log_base) in log_probs.policy.iter().zip(log_probs.base) {
            estimator.insert(prompt, *log_policy, *log_base)?;
            log_ratios.insert(prompt, k1(*log_policy, *log_base))?;
        }
        for kl in log_probs.exact_kl.into_iter().flatten() {
            estimator.insert_positions(prompt, std::slice::from_ref(kl))?;
        }
    }
    let kl = estimator.finish()?;
    let per_prompt = match kl.rao_blackwell {
        Some(_) => estimator.rao_blackwell_means(),
        None => log_ratios.means(),
    };
    Ok(Some((kl, per_prompt)))
}
