//! The fixed points of the objectives, with exact expectations: tiny models of which every response is enumerated.
//!
//! A step's expected gradient, over groups of two independent responses of the policy (of the base, for `projection`), is
//!
//! ```text
//! E = Σ_y π(y) Σ_z π(z) Σ_t ∂ loss_t(y; plan of the group (y, z))
//! ```
//!
//! which one batch of all responses gives exactly, each row's derivatives weighted by π(y) and averaged over z. Followed until it vanishes, it
//! must lead to the optimum of MATH.md, section 1, π*(y) = p(y) e^{R(y)/β} / Z, because the policy class holds every distribution. Two trees of
//! responses: single tokens, and responses of one or two tokens, where the KL to go and the end of a response count.
//!
//! | objective | fixed point in groups of n |
//! |---|---|
//! | `rloo`, `ppo` with V = 0 and λ = γ = 1, KL exact or k1 | p e^{R/β} / Z |
//! | `grpo` | p e^{R (n−1)/(n β)} / Z: the sample's own reward is part of its baseline |
//! | any with k3 | p / (λ − R/β), λ such that it sums to 1 (single tokens): k3's gradient is that of KL(p ‖ π) |
//! | `projection` | π* |

use infalign::{
    Transform,
    transform::{Exp, Identity, Log},
};
use infalign_lm::{
    AdamW, AdamWConfig, Batch, Decoder, Objective as Loss, RowGrad, RowStats, Rule, Sequence, Spec,
    gradients, score,
};

use super::tiny::device;
use crate::{
    Decay, Schedule, Warmup,
    rl::{
        KlEstimator,
        objective::{Grpo, Objective, Plan, Ppo, Projection, Rloo, Seen},
    },
};

/// What training may leave between the policy and the optimum, in total variation.
const NEAR: f64 = 1e-3;
const BETA: f64 = 0.3;

/// A prompt with all its responses, their rewards, and the base.
struct World {
    base: Decoder,
    responses: Vec<Vec<u32>>,
    raw: Vec<f64>,
    /// p of each response.
    p: Vec<f64>,
}

/// The token that ends a response of [`World::tree`]: no response goes on after it, so all contexts end in different tokens, and so small a
/// model can tell them apart.
const PROMPT: [u32; 1] = [0];

impl World {
    fn new(vocabulary: u32, responses: Vec<Vec<u32>>) -> Self {
        let config = format!(
            r#"{{"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 16, "intermediate_size": 16,
            "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2, "max_position_embeddings": 8, "rms_norm_eps": 1e-5,
            "vocab_size": {vocabulary}, "tie_word_embeddings": false, "initializer_range": 0.2}}"#
        );
        let spec = Spec::from_text(&config, "config.json").unwrap();
        let mut base = Decoder::fresh(spec, 3, &device());
        base.freeze();
        // Of any scale, and tied here and there.
        let raw = (0..responses.len()).map(|y| ((y * 7) % 10) as f64 / 8.0 - 0.3);
        let mut world = Self {
            raw: raw.collect(),
            p: Vec::new(),
            base,
            responses,
        };
        world.p = world.law(&world.base);
        let whole: f64 = world.p.iter().sum();
        assert!((whole - 1.0).abs() < 1e-5, "not all responses: {whole}");
        world
    }

    /// Every one of 12 tokens, and that is it.
    fn tokens() -> Self {
        Self::new(12, (0..12).map(|y| vec![y]).collect())
    }

    /// Token 0 ends a response; any other is followed by any token of 5.
    fn tree() -> Self {
        let longer = (1..5).flat_map(|y| (0..5).map(move |z| vec![y, z]));
        Self::new(5, std::iter::once(vec![0]).chain(longer).collect())
    }

    fn sequences(&self) -> Vec<Sequence> {
        let one = |y: &Vec<u32>| Sequence {
            tokens: [&PROMPT[..], y].concat(),
            from: PROMPT.len(),
        };
        self.responses.iter().map(one).collect()
    }

    /// π of each response.
    fn law(&self, policy: &Decoder) -> Vec<f64> {
        let scored = score(policy, None, &self.sequences(), 1.0).unwrap();
        scored.iter().map(|s| s.log_prob().exp()).collect()
    }

    /// C by the base's own masses: P(r < r(y)) + ½ P(r = r(y)).
    fn calibrated(&self) -> Vec<f64> {
        let one = |r: &f64| {
            let mass = |(z, p): (&f64, &f64)| match z.total_cmp(r) {
                std::cmp::Ordering::Less => *p,
                std::cmp::Ordering::Equal => 0.5 * p,
                std::cmp::Ordering::Greater => 0.0,
            };
            self.raw.iter().zip(&self.p).map(mass).sum()
        };
        self.raw.iter().map(one).collect()
    }

    /// R of each response; none for raw.
    fn reward(&self, transform: Option<&dyn Transform>) -> Vec<f64> {
        match transform {
            None => self.raw.clone(),
            Some(t) => {
                let value = |u: f64| t.value(infalign::Quantile::new(u));
                self.calibrated().into_iter().map(value).collect()
            }
        }
    }

    /// p e^{tilt} / Z.
    fn tilted(&self, tilt: &[f64]) -> Vec<f64> {
        let all: Vec<f64> = self.p.iter().zip(tilt).map(|(p, t)| p * t.exp()).collect();
        let z: f64 = all.iter().sum();
        all.into_iter().map(|w| w / z).collect()
    }

    /// Follows the expected gradient until it vanishes; π of each response then.
    fn fixed_point(
        &self,
        objective: &dyn Objective,
        nats: &[f64],
        kl: KlEstimator,
        of_base: bool,
    ) -> Vec<f64> {
        const STEPS: u64 = 400;
        let schedule = Schedule {
            peak: 0.03,
            warmup: Warmup::Steps(0),
            decay: Decay::Cosine,
            floor: 0.0,
        };
        let rates = schedule.resolve(STEPS).unwrap();
        let adamw = AdamWConfig {
            weight_decay: 0.0,
            clip: None,
            ..AdamWConfig::default()
        };
        let mut policy = self.base.clone();
        let mut optimiser = AdamW::new(adamw, &policy).unwrap();
        let sequences = self.sequences();
        let tokens: Vec<&[u32]> = sequences.iter().map(|s| s.tokens.as_slice()).collect();
        let batch = Batch::new(&tokens, policy.spec()).unwrap();
        let rows: Vec<std::ops::Range<usize>> = sequences
            .iter()
            .zip(batch.offsets().iter())
            .map(|(s, start)| start + s.from - 1..start + s.tokens.len() - 1)
            .collect();
        let mut targets = vec![None; batch.tokens().len()];
        for (rows, y) in rows.iter().zip(&self.responses) {
            for (row, &token) in rows.clone().zip(y) {
                targets[row] = Some(token);
            }
        }
        for step in 1..=STEPS {
            let mut rule = |found: &[Option<RowStats>]| {
                let of = |rows: &std::ops::Range<usize>| {
                    found[rows.clone()].iter().copied().flatten().collect()
                };
                let stats: Vec<Vec<RowStats>> = rows.iter().map(of).collect();
                let mass =
                    |s: &Vec<RowStats>| s.iter().map(|t| f64::from(t.log_prob)).sum::<f64>().exp();
                let law: Vec<f64> = if of_base {
                    self.p.clone()
                } else {
                    stats.iter().map(mass).collect()
                };
                let mut answers = vec![RowGrad::default(); found.len()];
                for (y, rows) in rows.iter().enumerate() {
                    for z in 0..law.len() {
                        let plan = pair(objective, nats, &stats, kl, (y, z));
                        for ((row, plan), now) in rows.clone().zip(plan).zip(&stats[y]) {
                            let token = objective.token(plan, *now, kl);
                            add(&mut answers[row], token, law[y] * law[z]);
                        }
                    }
                }
                answers
            };
            let loss = Loss {
                targets: &targets,
                reference: Some(&self.base),
                temperature: 1.0,
                rule: Rule::Batch(&mut rule),
            };
            let found = gradients(&policy, &batch, loss, false).unwrap();
            optimiser
                .update(&mut policy, found, 1.0, rates.rate(step))
                .unwrap();
        }
        self.law(&policy)
    }
}

/// The plan of `y` in the group of `y` and `z`.
fn pair(
    objective: &dyn Objective,
    nats: &[f64],
    stats: &[Vec<RowStats>],
    kl: KlEstimator,
    (y, z): (usize, usize),
) -> Vec<Plan> {
    let group = vec![stats[y].clone(), stats[z].clone()];
    let seen = Seen {
        reward: &[nats[y], nats[z]],
        stats: &group,
        values: None,
        kl,
    };
    objective.plan(&seen).swap_remove(0)
}

fn add(sum: &mut RowGrad, token: RowGrad, weight: f64) {
    let weight = weight as f32;
    sum.loss += weight * token.loss;
    sum.d_log_prob += weight * token.d_log_prob;
    sum.d_kl += weight * token.d_kl;
    sum.d_entropy += weight * token.d_entropy;
    sum.d_ref_cross_entropy += weight * token.d_ref_cross_entropy;
}

fn total_variation(a: &[f64], b: &[f64]) -> f64 {
    0.5 * a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum::<f64>()
}

fn over(values: &[f64], by: f64) -> Vec<f64> {
    values.iter().map(|v| v / by).collect()
}

/// Every form of the reward, with its name.
fn forms() -> Vec<(&'static str, Option<Box<dyn Transform>>)> {
    vec![
        ("raw", None),
        ("identity", Some(Box::new(Identity))),
        ("log", Some(Box::new(Log))),
        ("exp:10", Some(Box::new(Exp::new(10.0).unwrap()))),
        ("exp:-10", Some(Box::new(Exp::new(-10.0).unwrap()))),
    ]
}

/// Insists that the objective leads from the base to `expected`, which is not where it started.
#[track_caller]
fn leads_to(world: &World, what: &str, found: &[f64], expected: &[f64]) {
    let far = total_variation(&world.p, expected);
    assert!(far > 0.05, "{what}: the optimum is the base, within {far}");
    let left = total_variation(found, expected);
    assert!(left < NEAR, "{what}: {left} from the optimum");
}

/// λ = 1 and no critic: the advantage is the return itself.
fn plain_ppo() -> Ppo {
    Ppo {
        lambda: 1.0,
        ..Ppo::default()
    }
}

#[test]
fn rloo_ends_at_the_tilted_optimum_of_every_form_of_the_reward() {
    let world = World::tokens();
    for (name, transform) in forms() {
        let nats = over(&world.reward(transform.as_deref()), BETA);
        let found = world.fixed_point(&Rloo::default(), &nats, KlEstimator::Exact, false);
        leads_to(&world, name, &found, &world.tilted(&nats));
    }
}

#[test]
fn the_projection_ends_at_the_tilted_optimum_of_every_form_of_the_reward() {
    let world = World::tokens();
    for (name, transform) in forms() {
        let optimum = world.tilted(&over(&world.reward(transform.as_deref()), BETA));
        let density: Vec<f64> = optimum.iter().zip(&world.p).map(|(q, p)| q / p).collect();
        let found = world.fixed_point(&Projection {}, &density, KlEstimator::Exact, true);
        leads_to(&world, name, &found, &optimum);
    }
}

/// Where responses have several tokens, a token's KL is of those before it, too.
#[test]
fn the_kl_to_go_is_paid_for_where_responses_differ_in_length() {
    let world = World::tree();
    let nats = over(&world.reward(Some(&Identity)), BETA);
    let optimum = world.tilted(&nats);
    let ppo = plain_ppo();
    let solvers: [(&str, &dyn Objective, KlEstimator); 4] = [
        ("rloo", &Rloo::default(), KlEstimator::Exact),
        ("rloo, k1", &Rloo::default(), KlEstimator::K1),
        ("ppo", &ppo, KlEstimator::Exact),
        ("ppo, k1", &ppo, KlEstimator::K1),
    ];
    for (name, objective, kl) in solvers {
        let found = world.fixed_point(objective, &nats, kl, false);
        leads_to(&world, name, &found, &optimum);
    }
    let density: Vec<f64> = optimum.iter().zip(&world.p).map(|(q, p)| q / p).collect();
    let found = world.fixed_point(&Projection {}, &density, KlEstimator::Exact, true);
    leads_to(&world, "projection", &found, &optimum);
}

/// The group's mean holds the sample's own reward: an advantage of (n−1)/n of the reward, which is as a β of n/(n−1).
#[test]
fn grpo_in_groups_of_two_pays_twice_the_price() {
    for world in [World::tokens(), World::tree()] {
        let nats = over(&world.reward(Some(&Identity)), BETA / 2.0);
        let found = world.fixed_point(&Grpo::default(), &nats, KlEstimator::Exact, false);
        leads_to(&world, "grpo", &found, &world.tilted(&over(&nats, 2.0)));
    }
}

/// k3 in the loss is no estimate of KL(π ‖ p) to a gradient: it regularises by KL(p ‖ π), whose fixed point is p / (λ − R/β).
#[test]
fn k3_ends_elsewhere() {
    let world = World::tokens();
    let nats = over(&world.reward(None), BETA);
    let found = world.fixed_point(&Rloo::default(), &nats, KlEstimator::K3, false);
    let law = |lambda: f64| -> Vec<f64> {
        world
            .p
            .iter()
            .zip(&nats)
            .map(|(p, r)| p / (lambda - r))
            .collect()
    };
    let top = nats.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    // Σ falls in λ from ∞ at the largest R/β.
    let (mut low, mut high) = (top, top + 1.0);
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if law(middle).iter().sum::<f64>() > 1.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    let expected = law(high);
    assert!(total_variation(&expected, &world.tilted(&nats)) > 0.02);
    leads_to(&world, "k3", &found, &expected);
}
