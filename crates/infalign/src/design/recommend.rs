//! Which transform to train with, and why, in one sentence.
//!
//! Rule: the gentlest transform that keeps all but [`CLOSE`] of the best one's gain. Gentle transforms keep more of the reward's signal per
//! sample and lose less to a finite K; near the top the exponent hardly matters. With K given, the comparison is at K. The gain is of
//! W − ½ at a KL budget and of W − β KL − ½ at a fixed β, where each transform spends another KL.

use super::{Budget, OptimumRow, Question, Recommended, TransformRow, rows::ACCEPTABLE_LOSS};
use crate::{Warning, transform::TransformSpec};

/// Share of the best transform's gain that is worth giving up for a gentler one.
const CLOSE: f64 = 0.005;
/// A difference of win rates that is shown as none.
const NOTHING: f64 = 5e-5;

/// What a row attains at the K at hand, or with perfect calibration where no K is given.
fn attained(row: &TransformRow, budget: Budget) -> f64 {
    let (win_rate, kl) = row
        .at_k
        .map_or((row.win_rate, row.kl), |at| (at.win_rate, at.kl));
    budget.value(win_rate, kl)
}

/// Order of gentleness: the identity, then exponentials by |t|, then all others in the order of their win rates.
fn harshness(row: &TransformRow) -> f64 {
    match row.transform.parse::<TransformSpec>() {
        Ok(TransformSpec::Ready(t)) if t.to_string() == "identity" => 0.0,
        _ => row
            .transform
            .strip_prefix("exp:")
            .and_then(|t| t.parse::<f64>().ok())
            .map_or(f64::INFINITY, f64::abs),
    }
}

/// Chooses among rows that are sorted best first. `raw` is never chosen: it is what the others are compared with.
pub(super) fn choose(rows: &[TransformRow], optimum: &OptimumRow, budget: Budget) -> Recommended {
    let attained = |row: &TransformRow| attained(row, budget);
    let candidates: Vec<&TransformRow> = rows.iter().filter(|r| r.transform != "raw").collect();
    let best = candidates
        .iter()
        .copied()
        .max_by(|a, b| attained(a).total_cmp(&attained(b)));
    let Some(best) = best else {
        return Recommended {
            transform: "optimal".to_owned(),
            beta: optimum.beta,
            kl: optimum.kl,
            win_rate: optimum.win_rate,
            standard_win_rate: optimum.standard_win_rate,
            reason: "no other transform was given".to_owned(),
        };
    };
    let near = candidates
        .iter()
        .copied()
        .filter(|r| attained(r) - 0.5 >= (1.0 - CLOSE) * (attained(best) - 0.5));
    let chosen = near
        .min_by(|a, b| harshness(a).total_cmp(&harshness(b)))
        .unwrap_or(best);
    Recommended {
        transform: chosen.transform.clone(),
        beta: chosen.at_k.map_or(chosen.beta, |at| at.beta),
        kl: chosen.at_k.map_or(chosen.kl, |at| at.kl),
        win_rate: chosen.at_k.map_or(chosen.win_rate, |at| at.win_rate),
        standard_win_rate: chosen
            .at_k
            .map_or(chosen.standard_win_rate, |at| at.standard_win_rate),
        reason: reason(chosen, best, &candidates, budget),
    }
}

fn reason(
    chosen: &TransformRow,
    best: &TransformRow,
    candidates: &[&TransformRow],
    budget: Budget,
) -> String {
    let attained = |row: &TransformRow| attained(row, budget);
    let mut text = format!(
        "it keeps {:.1}% of the gain that any reward could bring",
        100.0 * chosen.share_of_optimum
    );
    let identity = candidates.iter().find(|r| r.transform == "identity");
    if let Some(identity) = identity.filter(|i| i.transform != chosen.transform) {
        let less = attained(chosen) - attained(identity);
        text += &format!("; calibration alone (identity) wins {less:.4} less");
    }
    let more = attained(best) - attained(chosen);
    if more > NOTHING {
        text += &format!(
            "; {} would add {more:.4} and is harsher on finite samples",
            best.transform
        );
    } else if best.transform != chosen.transform {
        text += "; no harsher transform adds anything";
    }
    text
}

/// A warning when the recommended transform loses much to the K at hand.
pub(super) fn warn_of_k(
    rows: &[TransformRow],
    recommended: &Recommended,
    question: &Question,
    kl: f64,
    warnings: &mut Vec<Warning>,
) {
    let row = rows.iter().find(|r| r.transform == recommended.transform);
    if let (Some(k), Some(at)) = (question.k, row.and_then(|r| r.at_k))
        && at.loss > ACCEPTABLE_LOSS
    {
        warnings.push(Warning::SmallK {
            procedure: question.procedure.to_string(),
            kl,
            transform: recommended.transform.clone(),
            k,
            loss: at.loss,
            enough: at.enough,
            wanted: ACCEPTABLE_LOSS,
        });
    }
}
