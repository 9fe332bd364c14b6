//! Tests of heads: against `f64`, gradients against finite differences, and of every promise about bits.

use proptest::prelude::*;

use super::chunk::ROWS;
use super::*;

/// A head's numbers, owned.
#[derive(Clone, Debug)]
struct Owned {
    hidden: Vec<f32>,
    weight: Vec<f32>,
    bias: Option<Vec<f32>>,
    vocab: usize,
    dim: usize,
    soft_cap: Option<f32>,
    temperature: f32,
}

impl Owned {
    fn head(&self) -> Head<'_> {
        Head {
            hidden: &self.hidden,
            weight: &self.weight,
            packed: None,
            bias: self.bias.as_deref(),
            vocab: self.vocab,
            dim: self.dim,
            soft_cap: self.soft_cap,
            temperature: self.temperature,
        }
    }
}

/// The parameters in `f64`: what finite differences move.
#[derive(Clone)]
struct Exact {
    hidden: Vec<f64>,
    weight: Vec<f64>,
    bias: Vec<f64>,
}

/// One of the parameters.
type Part = fn(&mut Exact) -> &mut Vec<f64>;

fn exact(owned: &Owned) -> Exact {
    let wide = |values: &[f32]| values.iter().map(|x| f64::from(*x)).collect();
    Exact {
        hidden: wide(&owned.hidden),
        weight: wide(&owned.weight),
        bias: owned.bias.as_deref().map_or(vec![0.0; owned.vocab], wide),
    }
}

/// Numbers in [−1, 1) that look random.
fn noise(len: usize, seed: u32) -> Vec<f32> {
    let mut state = u64::from(seed) * 2 + 0x9e37_79b9_7f4a_7c15;
    core::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
    })
    .take(len)
    .collect()
}

fn owned(rows: usize, vocab: usize, dim: usize, seed: u32) -> Owned {
    let spread = |values: Vec<f32>, by: f32| values.into_iter().map(|x| x * by).collect();
    Owned {
        hidden: spread(noise(rows * dim, seed), 2.0),
        weight: spread(noise(vocab * dim, seed ^ 1), 1.5),
        bias: seed.is_multiple_of(2).then(|| noise(vocab, seed ^ 2)),
        vocab,
        dim,
        soft_cap: seed.is_multiple_of(3).then_some(2.5),
        temperature: [1.0, 0.7, 1.6][seed as usize % 5 % 3],
    }
}

/// log p of one row, in `f64`.
fn log_softmax(owned: &Owned, values: &Exact, row: usize) -> (Vec<f64>, f64) {
    let Owned { dim, vocab, .. } = *owned;
    let z: Vec<f64> = (0..vocab)
        .map(|v| {
            let l = (0..dim)
                .map(|p| values.hidden[row * dim + p] * values.weight[v * dim + p])
                .sum::<f64>()
                + values.bias[v];
            let capped = owned
                .soft_cap
                .map_or(l, |cap| f64::from(cap) * (l / f64::from(cap)).tanh());
            capped / f64::from(owned.temperature)
        })
        .collect();
    let max = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let log_sum_exp = max + z.iter().map(|z| (z - max).exp()).sum::<f64>().ln();
    (z.iter().map(|z| z - log_sum_exp).collect(), log_sum_exp)
}

/// The fields of [`RowStats`] of one row, in their order, in `f64`.
fn row_stats(
    (policy, values): (&Owned, &Exact),
    reference: Option<&Owned>,
    row: usize,
    target: usize,
) -> [f64; 5] {
    let (log_p, log_sum_exp) = log_softmax(policy, values, row);
    let entropy = -log_p.iter().map(|l| l.exp() * l).sum::<f64>();
    let (ref_log_prob, kl) = reference.map_or((log_p[target], 0.0), |reference| {
        let log_q = log_softmax(reference, &exact(reference), row).0;
        let kl = log_p
            .iter()
            .zip(&log_q)
            .map(|(p, q)| p.exp() * (p - q))
            .sum();
        (log_q[target], kl)
    });
    [log_p[target], log_sum_exp, entropy, ref_log_prob, kl]
}

fn fields(stats: RowStats) -> [f32; 5] {
    [
        stats.log_prob,
        stats.log_sum_exp,
        stats.entropy,
        stats.ref_log_prob,
        stats.kl,
    ]
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}

/// A loss that uses every statistic, and not only linearly.
fn objective(row: usize, log_prob: f64, kl: f64, entropy: f64) -> f64 {
    let weight = 0.5 + row as f64;
    weight * (-log_prob + 0.3 * log_prob * log_prob) + 0.8 * kl + 0.1 * kl * kl - 0.4 * entropy
}

fn answer(row: usize, stats: RowStats) -> RowGrad {
    let weight = 0.5 + row as f32;
    let RowStats {
        log_prob,
        kl,
        entropy,
        ..
    } = stats;
    RowGrad {
        loss: objective(row, log_prob.into(), kl.into(), entropy.into()) as f32,
        d_log_prob: weight * (-1.0 + 0.6 * log_prob),
        d_kl: 0.8 + 0.2 * kl,
        d_entropy: -0.4,
        d_ref_cross_entropy: 0.0, // its own test: the loss has no figure of it
    }
}

/// All results of `head_loss`, the gradients of the weights starting from 0.
struct Outcome {
    loss: f64,
    hidden: Vec<f32>,
    weight: Vec<f32>,
    bias: Vec<f32>,
    stats: Vec<RowStats>,
}

/// The results of a loss that is given somewhere to leave them.
fn results(
    policy: &Head<'_>,
    targets: &[i32],
    loss: impl FnOnce(HeadGradients<'_>, &mut [RowStats]) -> f64,
) -> Outcome {
    let mut outcome = Outcome {
        loss: 0.0,
        hidden: vec![f32::NAN; policy.hidden.len()],
        weight: vec![0.0; policy.weight.len()],
        bias: vec![0.0; policy.vocab],
        stats: vec![RowStats::default(); targets.len()],
    };
    let gradients = HeadGradients {
        hidden: &mut outcome.hidden,
        weight: Some(&mut outcome.weight),
        bias: Some(&mut outcome.bias),
    };
    outcome.loss = loss(gradients, &mut outcome.stats);
    outcome
}

fn run(policy: &Head<'_>, reference: Option<&Head<'_>>, targets: &[i32]) -> Outcome {
    results(policy, targets, |gradients, stats| {
        head_loss(policy, reference, targets, &mut answer, gradients, stats)
    })
}

/// The same of `head_loss_together`, whose plan also sees that it is given all rows.
fn run_together(policy: &Head<'_>, reference: Option<&Head<'_>>, targets: &[i32]) -> Outcome {
    let mut plan = |stats: &[RowStats]| -> Vec<RowGrad> {
        assert_eq!(stats.len(), targets.len());
        (0..).zip(stats).map(|(n, s)| answer(n, *s)).collect()
    };
    results(policy, targets, |gradients, stats| {
        head_loss_together(policy, reference, targets, &mut plan, gradients, stats)
    })
}

fn same_bits(a: &Outcome, b: &Outcome) {
    assert_eq!(a.loss.to_bits(), b.loss.to_bits());
    assert_eq!(bits(&a.hidden), bits(&b.hidden));
    assert_eq!(bits(&a.weight), bits(&b.weight));
    assert_eq!(bits(&a.bias), bits(&b.bias));
    assert_eq!(a.stats, b.stats);
}

#[test]
fn rows_planned_together_give_the_bits_of_rows_planned_alone() {
    for (rows, vocab, with_reference) in [(0, 3, true), (7, 33, true), (1200, 5, false)] {
        let (policy, other) = (owned(rows, vocab, 3, 4), owned(rows, vocab, 3, 9));
        let other = Owned {
            soft_cap: policy.soft_cap,
            temperature: policy.temperature,
            ..other
        };
        let mut targets: Vec<i32> = (0..rows).map(|r| (r % vocab) as i32).collect();
        if rows > 2 {
            targets[2] = IGNORED;
        }
        let reference = with_reference.then(|| other.head());
        same_bits(
            &run(&policy.head(), reference.as_ref(), &targets),
            &run_together(&policy.head(), reference.as_ref(), &targets),
        );
    }
}

#[test]
fn logits_that_find_no_room_are_computed_again() {
    let (rows, vocab) = (1100, 8000);
    assert!(2 * rows * vocab > KEPT);
    let (policy, reference) = (owned(rows, vocab, 1, 5), owned(rows, vocab, 1, 25));
    let targets: Vec<i32> = (0..rows as i32).collect();
    same_bits(
        &run(&policy.head(), Some(&reference.head()), &targets),
        &run_together(&policy.head(), Some(&reference.head()), &targets),
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn statistics_and_gradients_are_the_formulae(
        rows in 0_usize..7, vocab in prop_oneof![1_usize..8, 14_usize..35], dim in 1_usize..5,
        seed: u32, with_reference: bool,
    ) {
        let policy = owned(rows, vocab, dim, seed);
        let other = Owned { hidden: noise(rows * dim, seed ^ 7), ..owned(rows, vocab, dim, seed ^ 6) };
        let reference = with_reference.then_some(&other);
        let targets: Vec<i32> = (0..rows)
            .map(|row| {
                let draw = (seed as usize / 7).wrapping_add(row * 31);
                if draw.is_multiple_of(4) { IGNORED } else { (draw % vocab) as i32 }
            })
            .collect();
        let head = reference.map(Owned::head);
        let got = run(&policy.head(), head.as_ref(), &targets);
        let values = exact(&policy);
        let total = |values: &Exact| {
            let active = targets.iter().enumerate().filter(|(_, target)| **target != IGNORED);
            active.map(|(row, target)| {
                let stats = row_stats((&policy, values), reference, row, *target as usize);
                objective(row, stats[0], stats[4], stats[2])
            }).sum::<f64>()
        };
        for (row, target) in targets.iter().enumerate() {
            let expected = if *target == IGNORED { [0.0; 5] } else {
                row_stats((&policy, &values), reference, row, *target as usize)
            };
            for (got, expected) in fields(got.stats[row]).iter().zip(expected) {
                prop_assert!((f64::from(*got) - expected).abs() < 2e-5, "{got} {expected}");
            }
        }
        let size = 1.0 + total(&values).abs();
        prop_assert!((got.loss - total(&values)).abs() < 1e-5 * size);
        let slope = |of: Part, at: usize| {
            const STEP: f64 = 1e-5;
            let at_step = |step: f64| {
                let mut values = values.clone();
                of(&mut values)[at] += step;
                total(&values)
            };
            (at_step(STEP) - at_step(-STEP)) / (2.0 * STEP)
        };
        let parts: [(&[f32], Part); 3] = [
            (&got.hidden, |values| &mut values.hidden),
            (&got.weight, |values| &mut values.weight),
            (&got.bias, |values| &mut values.bias),
        ];
        for (part, (got, of)) in parts.into_iter().enumerate() {
            for (at, got) in got.iter().enumerate() {
                let expected = slope(of, at);
                prop_assert!(
                    (f64::from(*got) - expected).abs() < 1e-4 * size,
                    "part {part}, element {at}: {got} instead of {expected}",
                );
            }
        }
    }

    #[test]
    fn rows_do_not_know_their_chunks(seed: u32, vocab in 1_usize..90) {
        let rows = 2 * ROWS + 200;
        let policy = owned(rows, vocab, 3, seed);
        let other = owned(rows, vocab, 3, seed ^ 6);
        let targets: Vec<i32> = (0..rows)
            .map(|row| if row % 5 == 1 { IGNORED } else { (row % vocab) as i32 })
            .collect();
        let mut all = vec![RowStats::default(); rows];
        kl_rows(&policy.head(), &other.head(), &targets, &mut all);
        let packed = Packed::new(&policy.weight, vocab, 3);
        for row in [0, 1, ROWS - 1, ROWS, 2 * ROWS, rows - 1] {
            let one = |owned: &Owned| Owned {
                hidden: owned.hidden[3 * row..][..3].to_vec(), ..owned.clone()
            };
            let (policy, other) = (one(&policy), one(&other));
            let mut alone = [RowStats::default()];
            let head = Head { packed: Some(&packed), ..policy.head() };
            kl_rows(&head, &other.head(), &targets[row..=row], &mut alone);
            prop_assert_eq!(bits(&fields(alone[0])), bits(&fields(all[row])));
            // Without a reference, what does not concern it is the same.
            log_probs(&head, &targets[row..=row], &mut alone);
            prop_assert_eq!(bits(&fields(alone[0])[..3]), bits(&fields(all[row])[..3]));
        }
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    let (rows, vocab, dim) = (150, 1500, 20);
    let (policy, other) = (owned(rows, vocab, dim, 6), owned(rows, vocab, dim, 7));
    let targets: Vec<i32> = (0..rows as i32)
        .map(|row| if row == 3 { IGNORED } else { row })
        .collect();
    let pass = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .expect("a pool");
        pool.install(|| run(&policy.head(), Some(&other.head()), &targets))
    };
    let alone = pass(1);
    for threads in [2, 5] {
        let got = pass(threads);
        assert_eq!(got.loss.to_bits(), alone.loss.to_bits());
        assert_eq!(bits(&got.hidden), bits(&alone.hidden));
        assert_eq!(bits(&got.weight), bits(&alone.weight));
        assert_eq!(bits(&got.bias), bits(&alone.bias));
        assert_eq!(got.stats, alone.stats);
    }
}

#[test]
fn a_large_vocabulary_keeps_its_digits() {
    // More than one block of a row's sums, and an end that fills no lane.
    let (rows, vocab, dim) = (2, 5003, 8);
    let (policy, other) = (owned(rows, vocab, dim, 4), owned(rows, vocab, dim, 8));
    let mut stats = [RowStats::default(); 2];
    kl_rows(&policy.head(), &other.head(), &[5002, 0], &mut stats);
    for (row, target) in [(0, 5002), (1, 0)] {
        let expected = row_stats((&policy, &exact(&policy)), Some(&other), row, target);
        for (got, expected) in fields(stats[row]).iter().zip(expected) {
            assert!(
                (f64::from(*got) - expected).abs() < 1e-5,
                "{got} {expected}"
            );
        }
    }
}

#[test]
fn a_reference_equal_to_the_policy_has_no_divergence_and_no_gradient() {
    let policy = owned(3, 100, 4, 9);
    let mut gradient = vec![f32::NAN; policy.hidden.len()];
    let mut stats = [RowStats::default(); 3];
    let mut only_kl = |_: usize, _: RowStats| RowGrad {
        d_kl: 1.0,
        ..RowGrad::default()
    };
    let gradients = HeadGradients {
        hidden: &mut gradient,
        weight: None,
        bias: None,
    };
    let head = policy.head();
    head_loss(
        &head,
        Some(&head),
        &[1, 2, 3],
        &mut only_kl,
        gradients,
        &mut stats,
    );
    assert!(
        stats
            .iter()
            .all(|stats| stats.kl == 0.0 && stats.log_prob == stats.ref_log_prob)
    );
    assert!(gradient.iter().all(|x| *x == 0.0), "{gradient:?}");
}

#[test]
fn nothing_to_learn_from() {
    let policy = owned(3, 10, 4, 2);
    let got = run(&policy.head(), None, &[IGNORED; 3]);
    assert_eq!(got.loss.to_bits(), 0);
    assert!(
        got.hidden
            .iter()
            .chain(&got.weight)
            .chain(&got.bias)
            .all(|x| x.to_bits() == 0)
    );
    assert_eq!(got.stats, [RowStats::default(); 3]);
    let none = Owned {
        hidden: Vec::new(),
        ..policy
    };
    assert_eq!(run(&none.head(), None, &[]).loss.to_bits(), 0);
}

#[test]
fn a_single_word_is_certain() {
    let policy = Owned {
        soft_cap: None,
        ..owned(2, 1, 4, 2)
    };
    let got = run(&policy.head(), Some(&policy.head()), &[0, 0]);
    for stats in &got.stats {
        assert_eq!([stats.log_prob, stats.entropy, stats.kl], [0.0; 3]);
    }
    assert!(
        got.hidden
            .iter()
            .chain(&got.weight)
            .chain(&got.bias)
            .all(|x| *x == 0.0)
    );
}

#[test]
fn gradients_of_the_weights_are_added_to() {
    let policy = owned(2, 10, 4, 2);
    let fresh = run(&policy.head(), None, &[1, 2]);
    let (mut hidden, mut weight, mut bias) = (vec![5.0; 8], vec![5.0; 40], vec![5.0; 10]);
    let gradients = HeadGradients {
        hidden: &mut hidden,
        weight: Some(&mut weight),
        bias: Some(&mut bias),
    };
    let mut stats = [RowStats::default(); 2];
    head_loss(
        &policy.head(),
        None,
        &[1, 2],
        &mut answer,
        gradients,
        &mut stats,
    );
    assert_eq!(bits(&hidden), bits(&fresh.hidden));
    for (got, fresh) in [(&weight, &fresh.weight), (&bias, &fresh.bias)] {
        assert!(
            got.iter()
                .zip(fresh)
                .all(|(got, fresh)| (got - 5.0 - fresh).abs() < 1e-5)
        );
    }
}

#[test]
fn extreme_logits_stay_finite() {
    // Logits 10⁴, −10⁴ and 0 from one hidden state.
    let base = Owned {
        hidden: vec![1e4, 1e4],
        weight: vec![1.0, -1.0, 0.0],
        bias: None,
        vocab: 3,
        dim: 1,
        soft_cap: None,
        temperature: 1.0,
    };
    let head = base.head();
    let got = run(&head, Some(&head), &[0, 1]);
    assert_eq!(fields(got.stats[0]), [0.0, 1e4, 0.0, 0.0, 0.0]);
    assert_eq!(fields(got.stats[1]), [-2e4, 1e4, 0.0, -2e4, 0.0]);
    assert!(got.hidden.iter().chain(&got.weight).all(|x| x.is_finite()));
    let capped = Owned {
        soft_cap: Some(30.0),
        ..base.clone()
    };
    let got = run(&capped.head(), None, &[0, 1]);
    assert!(
        (got.stats[1].log_prob + 60.0).abs() < 1e-4,
        "{:?}",
        got.stats[1]
    );
    // Words that a bias forbids: no probability, no entropy, no NaN.
    let masked = Owned {
        hidden: vec![0.0, 0.0],
        bias: Some(vec![0.0, f32::NEG_INFINITY, 0.0]),
        ..base
    };
    let got = run(&masked.head(), Some(&masked.head()), &[0, 2]);
    let ln_2 = core::f32::consts::LN_2;
    for stats in got.stats {
        assert!((stats.log_prob + ln_2).abs() < 1e-6 && (stats.entropy - ln_2).abs() < 1e-6);
        assert_eq!(stats.kl, 0.0);
    }
    assert!(
        got.hidden
            .iter()
            .chain(&got.weight)
            .chain(&got.bias)
            .all(|x| x.is_finite())
    );
}

#[test]
fn a_nan_is_not_hidden() {
    let mut policy = owned(2, 40, 4, 3);
    policy.hidden[1] = f32::NAN;
    let got = run(&policy.head(), Some(&policy.head()), &[0, 1]);
    assert!(
        fields(got.stats[0]).iter().all(|x| x.is_nan()),
        "{:?}",
        got.stats[0]
    );
    assert!(fields(got.stats[1]).iter().all(|x| x.is_finite()));
    assert!(got.hidden[..4].iter().all(|x| x.is_nan()));
    assert!(got.hidden[4..].iter().all(|x| x.is_finite()));
}

/// The gradient of −Σ q log p beside that of everything else, against finite differences.
#[test]
fn the_cross_entropy_of_the_reference_has_its_gradient() {
    for seed in 0..6 {
        let (rows, vocab, dim) = (3, 21, 3);
        let policy = owned(rows, vocab, dim, seed);
        let other = owned(rows, vocab, dim, seed ^ 6);
        let targets = [4, IGNORED, 20];
        let mut hidden = vec![f32::NAN; rows * dim];
        let gradients = HeadGradients {
            hidden: &mut hidden,
            weight: None,
            bias: None,
        };
        let mut rule = |row: usize, stats: RowStats| RowGrad {
            d_ref_cross_entropy: 0.7,
            ..answer(row, stats)
        };
        let mut stats = [RowStats::default(); 3];
        let (head, reference) = (policy.head(), other.head());
        head_loss(
            &head,
            Some(&reference),
            &targets,
            &mut rule,
            gradients,
            &mut stats,
        );
        let values = exact(&policy);
        let total = |values: &Exact| -> f64 {
            [(0, 4), (2, 20)]
                .into_iter()
                .map(|(row, target)| {
                    let found = row_stats((&policy, values), Some(&other), row, target);
                    let log_p = log_softmax(&policy, values, row).0;
                    let log_q = log_softmax(&other, &exact(&other), row).0;
                    let cross: f64 = log_p.iter().zip(&log_q).map(|(p, q)| -q.exp() * p).sum();
                    objective(row, found[0], found[4], found[2]) + 0.7 * cross
                })
                .sum()
        };
        for (at, got) in hidden.iter().enumerate() {
            let at_step = |step: f64| {
                let mut values = values.clone();
                values.hidden[at] += step;
                total(&values)
            };
            let expected = (at_step(1e-5) - at_step(-1e-5)) / 2e-5;
            let size = 1.0 + total(&values).abs();
            assert!(
                (f64::from(*got) - expected).abs() < 1e-4 * size,
                "{got} {expected}"
            );
        }
    }
}
