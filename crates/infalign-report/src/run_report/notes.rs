//! What a reader must know before believing the figures: the results' own warnings, and what the page sees in them.

use infalign::{design::Design, estimate::LogProbsOf, evaluation::Evaluation};

use super::{
    answer::KL_APART,
    arm::{Arm, rate},
    words::{code, counted},
};
use crate::{
    figures::{percent, points},
    html::escape,
};

/// The notes, as HTML.
pub(crate) fn notes(evaluation: &Evaluation, designs: &[Design], arms: &[Arm<'_>]) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    let training = &*evaluation.judges[0].name;
    for arm in arms {
        if let (Some(budget), Some(kl)) = (arm.budget(), arm.kl())
            && (kl.mean - budget).abs() > KL_APART * budget
        {
            notes.push(format!(
                "{} spent {:.3} nats of KL where {budget} were asked for ({}% off): compare it at its own KL.",
                code(&arm.label),
                kl.mean,
                points((kl.mean - budget) / budget)
            ));
        }
        for procedure in &evaluation.procedures {
            let most = arm.mean(|policy| rate(policy, procedure, training)?.optimum);
            let (Some(most), Some(won)) = (most, arm.win_rate(procedure, training)) else {
                continue;
            };
            if won.low > most {
                notes.push(format!(
                    "{} wins {} under {}, beyond its interval above the {} that theory allows at its KL: the KL is measured too low, the rewards tie, or the responses are not fresh.",
                    code(&arm.label),
                    percent(won.mean),
                    code(procedure),
                    percent(most)
                ));
            }
        }
        let elsewhere = arm.policies.iter().any(|policy| {
            policy
                .kl
                .is_some_and(|kl| kl.log_probs_of == LogProbsOf::AnotherDistribution)
        });
        if elsewhere {
            notes.push(format!(
                "The log-probabilities of {} are not those of the distribution that was sampled from: its KL is no estimate of KL(π‖p).",
                code(&arm.label)
            ));
        }
    }
    let seeds = arms.iter().map(|arm| arm.policies.len()).max().unwrap_or(1);
    if seeds < 2 {
        notes.push("Every policy was trained with one seed: intervals say how figures would vary with other prompts, not with another training run.".to_owned());
    }
    if evaluation.judges.len() < 2 {
        notes.push(
            "Only the training reward judges: over-optimisation of it cannot be seen.".to_owned(),
        );
    }
    if evaluation.prompts < 50 {
        notes.push(format!(
            "{} were evaluated: intervals are wide.",
            counted(evaluation.prompts, "prompt", "prompts")
        ));
    }
    let mut seen: Vec<String> = Vec::new();
    let pit = evaluation.diagnostics.iter().flat_map(|d| &d.pit.warnings);
    for warning in evaluation
        .warnings
        .iter()
        .chain(pit)
        .chain(designs.iter().flat_map(|design| &design.warnings))
    {
        let text = escape(&warning.to_string());
        if !seen.contains(&text) {
            seen.push(text);
        }
    }
    notes.extend(seen);
    notes
}
