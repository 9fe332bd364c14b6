//! The metrics of a step, under the names that `metrics.jsonl` and `TensorBoard` show.
//!
//! | name | what |
//! |---|---|
//! | `loss` | KL − R/β of the step's samples as the objective sees it, in nats |
//! | `reward_raw`, `reward_calibrated`, `reward_transformed` | means over samples of r, Ĉ and R |
//! | `kl`, `kl_k1` | exact sequence KL and its k1 estimate, in nats |
//! | `kl_efficiency` | quantile KL / sequence KL: KL of the pooled law of Ĉ in ten cells against uniform, less its bias 9/(2n), over `kl` |
//! | `entropy` | of the policy at a token, in nats |
//! | `length`, `truncated` | tokens of a response; share that the limit cut off |
//! | `clip_share` | share of tokens whose ratio left [0.8, 1.2] in later passes |
//! | `gradient_norm`, `clipped` | before clipping, of the last update; whether it was clipped |
//! | `value_loss` | of the value head |

use infalign_lm::{RowStats, Update};

use super::Group;
use crate::{
    Metrics,
    rl::kl::{Stats, k1},
};

const CELLS: usize = 10;

/// Sums over a step's samples.
#[derive(Debug, Default)]
pub(super) struct Figures {
    responses: f64,
    tokens: f64,
    raw: f64,
    calibrated: f64,
    transformed: f64,
    truncated: f64,
    cells: [f64; CELLS],
    kl: f64,
    k1: f64,
    entropy: f64,
    loss: f64,
    updates: f64,
    ratios: f64,
    ratios_out: f64,
    value_loss: Option<(f64, f64)>,
    update: Option<Update>,
    offline: bool,
}

impl Figures {
    /// Of a step's groups; of the base's own rollouts (`offline`) no KL of the policy can be told.
    pub(super) fn new(groups: &[Group], offline: bool) -> Self {
        let mut new = Self {
            offline,
            ..Self::default()
        };
        for group in groups {
            for r in &group.rollouts {
                new.responses += 1.0;
                new.tokens += r.tokens.len() as f64;
                new.truncated += f64::from(u8::from(r.truncated));
            }
            new.raw += group.rewards.raw.iter().sum::<f64>();
            new.transformed += group.rewards.reward.iter().sum::<f64>();
            for &u in &group.rewards.calibrated {
                new.calibrated += u;
                new.cells[((u * CELLS as f64) as usize).min(CELLS - 1)] += 1.0;
            }
        }
        new
    }

    pub(super) fn insert(&mut self, stats: &Stats) {
        for response in stats {
            self.k1 += k1(response);
            let sum =
                |f: fn(&RowStats) -> f32| response.iter().map(|s| f64::from(f(s))).sum::<f64>();
            self.kl += sum(|s| s.kl);
            self.entropy += sum(|s| s.entropy);
        }
    }

    pub(super) fn ratio(&mut self, log_ratio: f32) {
        self.ratios += 1.0;
        self.ratios_out += f64::from(u8::from((log_ratio.exp() - 1.0).abs() > 0.2));
    }

    pub(super) fn loss(&mut self, loss: f64) {
        self.loss += loss;
        self.updates += 1.0;
    }

    pub(super) fn value_loss(&mut self, loss: f64) {
        let (sum, n) = self.value_loss.get_or_insert((0.0, 0.0));
        *sum += loss;
        *n += 1.0;
    }

    pub(super) fn update(&mut self, update: Update) {
        self.update = Some(update);
    }

    /// Mean exact KL of a response.
    pub(super) fn kl(&self) -> f64 {
        self.kl / self.responses.max(1.0)
    }

    /// KL of the pooled law of Ĉ against uniform, in nats.
    fn quantile_kl(&self) -> f64 {
        let n = self.responses.max(1.0);
        let term = |&count: &f64| {
            let p = count / n;
            if p > 0.0 {
                p * (p * CELLS as f64).ln()
            } else {
                0.0
            }
        };
        self.cells.iter().map(term).sum::<f64>() - (CELLS as f64 - 1.0) / (2.0 * n)
    }

    pub(super) fn metrics(&self, step: u64) -> Metrics {
        let n = self.responses.max(1.0);
        let tokens = self.tokens.max(1.0);
        let mut metrics = Metrics::new(step, 0.0)
            .value("loss", self.loss / self.updates.max(1.0))
            .value("reward_raw", self.raw / n)
            .value("reward_calibrated", self.calibrated / n)
            .value("reward_transformed", self.transformed / n);
        if !self.offline {
            let efficiency = self.quantile_kl() / self.kl().max(1e-6);
            metrics = metrics
                .value("kl", self.kl())
                .value("kl_k1", self.k1 / n)
                .value("kl_efficiency", efficiency)
                .value("truncated", self.truncated / n);
        }
        metrics = metrics
            .value("entropy", self.entropy / tokens)
            .value("length", self.tokens / n);
        if self.ratios > 0.0 {
            metrics = metrics.value("clip_share", self.ratios_out / self.ratios);
        }
        if let Some((sum, n)) = self.value_loss {
            metrics = metrics.value("value_loss", sum / n);
        }
        if let Some(update) = self.update {
            metrics = metrics
                .value("gradient_norm", update.norm)
                .value("clipped", f64::from(u8::from(update.clipped)));
        }
        metrics
    }
}
