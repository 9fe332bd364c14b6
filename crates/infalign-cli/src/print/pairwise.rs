//! What judges that compare two texts said, in a table.

use infalign::evaluation::Evaluation;

use super::{Table, text};
use crate::error::Result;

/// Prints nothing where no judge was asked.
pub(crate) fn pairwise(evaluation: &Evaluation) -> Result<()> {
    if evaluation.pairwise.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&[
        "procedure",
        "policy",
        "wins",
        "pairs",
        "ties",
        "inconsistent",
        "no verdict",
        "left out",
        "judge",
    ]);
    for found in &evaluation.pairwise {
        let won = found.win_rate.map(|e| {
            let (mean, low, high) = (100.0 * e.mean, 100.0 * e.low, 100.0 * e.high);
            format!("{mean:.1} ({low:.1}, {high:.1})")
        });
        table.row([
            found.procedure.clone(),
            found.policy.clone(),
            won.unwrap_or_default(),
            found.pairs.to_string(),
            found.ties.to_string(),
            found.inconsistent.to_string(),
            found.unparsed.to_string(),
            found.left_out.to_string(),
            found.judge.clone(),
        ]);
    }
    text(format_args!(
        "compared text by text with {}, in both orders; wins in %, ties and inconsistent pairs half, with 95% intervals over prompts\n",
        evaluation.base
    ))?;
    text(table.numbers())
}
