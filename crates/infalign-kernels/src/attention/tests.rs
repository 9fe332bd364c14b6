//! Attention against the formula in `f64`: values, gradients, and rows that do not depend on what follows or stands beside them.

use proptest::prelude::*;

use super::*;
use crate::check::{assert_close, assert_same, dot, gradient, random, wide};

fn rotated(x: &[f64], frequencies: &[f32], t: usize) -> Vec<f64> {
    let half = frequencies.len();
    let mut y = x.to_vec();
    for k in 0..half {
        let (sin, cos) = f64::from(t as f32 * frequencies[k]).sin_cos();
        y[k] = x[k] * cos - x[k + half] * sin;
        y[k + half] = x[k + half] * cos + x[k] * sin;
    }
    y
}

/// (out, lse) of one batch, term by term.
pub(crate) fn reference(
    a: &Attention<'_>,
    frequencies: &[f32],
    qkv: &[f64],
    offsets: &[usize],
) -> (Vec<f64>, Vec<f64>) {
    let (d, width) = (a.head_dim, a.qkv_width());
    let (mut out, mut lse) = (Vec::new(), Vec::new());
    for ends in offsets.windows(2) {
        let part = |i: usize, h: usize| {
            let at = (ends[0] + i) * width + h * d;
            qkv[at..at + d].to_vec()
        };
        for i in 0..ends[1] - ends[0] {
            for h in 0..a.heads {
                let q = rotated(&part(i, h), frequencies, i);
                let kv = h / a.group();
                let from = a.window.map_or(0, |w| (i + 1).saturating_sub(w));
                let scores: Vec<f64> = (from..=i)
                    .map(|j| {
                        let k = rotated(&part(j, a.heads + kv), frequencies, j);
                        let s: f64 = q.iter().zip(&k).map(|(x, y)| x * y).sum();
                        let s = s * f64::from(a.scale);
                        a.softcap
                            .map_or(s, |c| f64::from(c) * (s / f64::from(c)).tanh())
                    })
                    .collect();
                let total: f64 = scores.iter().map(|s| s.exp()).sum();
                let mut o = vec![0.0; d];
                for (j, s) in (from..=i).zip(&scores) {
                    let v = part(j, a.heads + a.kv_heads + kv);
                    for (o, v) in o.iter_mut().zip(&v) {
                        *o += s.exp() / total * v;
                    }
                }
                out.extend(o);
                lse.push(total.ln());
            }
        }
    }
    (out, lse)
}

fn forward(a: &Attention<'_>, qkv: &[f32], offsets: &[usize]) -> (Vec<f32>, Vec<f32>) {
    grouped(a, qkv, &Group::each(offsets))
}

fn grouped(a: &Attention<'_>, qkv: &[f32], groups: &[Group]) -> (Vec<f32>, Vec<f32>) {
    let tokens = qkv.len() / a.qkv_width();
    let mut out = vec![f32::NAN; tokens * a.out_width()];
    let mut lse = vec![f32::NAN; tokens * a.heads];
    a.forward(qkv, groups, &mut out, &mut lse);
    (out, lse)
}

fn four_heads(
    head_dim: usize,
    window: Option<usize>,
    softcap: Option<f32>,
    rotary: &Rotary,
) -> Attention<'_> {
    Attention {
        heads: 4,
        kv_heads: 2,
        head_dim,
        scale: 0.3,
        window,
        softcap,
        rotary: Some(rotary),
    }
}

fn frequencies(head_dim: usize, rotates: bool) -> Vec<f32> {
    let half = if rotates { head_dim / 4 } else { 0 };
    (0..half).map(|k| 0.5_f32.powi(k as i32)).collect()
}

fn offsets(lengths: &[usize]) -> Vec<usize> {
    let mut at = 0;
    let mut offsets = vec![0];
    for n in lengths {
        at += n;
        offsets.push(at);
    }
    offsets
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn values_agree_with_the_formula(
        lengths in prop::collection::vec(0_usize..80, 1..4),
        kv_heads in 1_usize..3, group in 1_usize..4,
        head_dim in prop::sample::select(vec![1_usize, 5, 8, 16, 24, 32, 48, 64, 96, 128]),
        window in prop::option::of(1_usize..50), softcap in prop::option::of(0.5_f32..4.0),
        rotates: bool, seed: u64,
    ) {
        let frequencies = frequencies(head_dim, rotates);
        let rotary = Rotary::new(&frequencies, 80, 1.0);
        let a = Attention {
            heads: kv_heads * group, kv_heads, head_dim, scale: 1.5 / (head_dim as f32).sqrt(),
            window, softcap, rotary: rotates.then_some(&rotary),
        };
        let offsets = offsets(&lengths);
        let qkv = random(offsets[lengths.len()] * a.qkv_width(), seed);
        let (out, lse) = forward(&a, &qkv, &offsets);
        let expected = reference(&a, &frequencies, &wide(&qkv), &offsets);
        // A sum of products of 128 terms below 2 in size, rounded to 2⁻²⁴ each, and exp of it.
        assert_close(&out, &expected.0, 5e-6);
        assert_close(&lse, &expected.1, 5e-6);
    }

    #[test]
    fn gradients_agree_with_finite_differences(
        lengths in prop::collection::vec(0_usize..12, 1..3),
        kv_heads in 1_usize..3, group in 1_usize..3,
        head_dim in prop::sample::select(vec![1_usize, 4, 6]),
        window in prop::option::of(1_usize..8), softcap in prop::option::of(0.5_f32..4.0),
        rotates: bool, seed: u64,
    ) {
        let frequencies = frequencies(head_dim, rotates);
        let rotary = Rotary::new(&frequencies, 80, 1.0);
        let a = Attention {
            heads: kv_heads * group, kv_heads, head_dim, scale: 0.7,
            window, softcap, rotary: rotates.then_some(&rotary),
        };
        let offsets = offsets(&lengths);
        let qkv = random(offsets[lengths.len()] * a.qkv_width(), seed);
        let (out, lse) = forward(&a, &qkv, &offsets);
        let dout = random(out.len(), seed ^ 1);
        let mut dqkv = vec![f32::NAN; qkv.len()];
        a.backward(&qkv, &Group::each(&offsets), &out, &lse, &dout, &mut dqkv);
        let expected = gradient(&qkv, |x| dot(&reference(&a, &frequencies, x, &offsets).0, &dout));
        assert_close(&dqkv, &expected, 5e-6);
    }
}

/// Along a random direction u, Σ dqkv · u is the derivative of Σ out · dout: blocks, tiles and windows of realistic sizes.
#[test]
fn gradients_of_long_sequences_agree_along_a_direction() {
    for (head_dim, window, softcap) in [
        (32, None, None),
        (80, Some(37), Some(1.5)),
        (40, Some(64), None),
    ] {
        let frequencies = frequencies(head_dim, true);
        let rotary = Rotary::new(&frequencies, 200, 1.0);
        let a = four_heads(head_dim, window, softcap, &rotary);
        let offsets = [0, 131, 131, 230];
        let qkv = random(230 * a.qkv_width(), 5);
        let (out, lse) = forward(&a, &qkv, &offsets);
        let dout = random(out.len(), 6);
        let mut dqkv = vec![f32::NAN; qkv.len()];
        a.backward(&qkv, &Group::each(&offsets), &out, &lse, &dout, &mut dqkv);
        let along = |step: f64| {
            let u = random(qkv.len(), 7);
            let moved: Vec<f64> = (qkv.iter().zip(&u))
                .map(|(x, u)| f64::from(*x) + step * f64::from(*u))
                .collect();
            dot(&reference(&a, &frequencies, &moved, &offsets).0, &dout)
        };
        let expected = (along(1e-4) - along(-1e-4)) / 2e-4;
        let got = dot(&wide(&dqkv), &random(qkv.len(), 7));
        assert!(
            (got - expected).abs() < 2e-5 * (1.0 + expected.abs()) * 10.0,
            "{got} {expected}"
        );
    }
}

#[test]
fn a_row_depends_only_on_its_own_prefix() {
    for (head_dim, window) in [(32, None), (20, Some(50)), (64, Some(33))] {
        let rotary = Rotary::new(&frequencies(head_dim, true), 200, 1.0);
        let a = four_heads(head_dim, window, None, &rotary);
        let w = a.qkv_width();
        let qkv = random(400 * w, 3);
        let (company, _) = forward(&a, &qkv, &[0, 77, 241, 400]);
        let company = &company[77 * a.out_width()..241 * a.out_width()];
        for length in [1, 7, 8, 31, 32, 33, 100, 163, 164] {
            let (alone, _) = forward(&a, &qkv[77 * w..(77 + length) * w], &[0, length]);
            assert_same(&alone, &company[..length * a.out_width()]);
        }
    }
}

/// Sequences that share whole tiles have the outputs that they have alone, to the bit, and gradients that are the sums over the sequences.
#[test]
fn sequences_of_a_group_are_computed_as_they_are_alone() {
    let cases = [
        (32, None, None, 32, vec![1, 40, 7]),
        (20, Some(50), None, 64, vec![33, 5]),
        (64, Some(20), Some(1.5), 32, vec![70, 1, 64]),
        (8, None, None, 96, vec![0, 9]),
    ];
    for (head_dim, window, softcap, shared, own) in cases {
        let rotary = Rotary::new(&frequencies(head_dim, true), 200, 1.0);
        let a = four_heads(head_dim, window, softcap, &rotary);
        let group = Group { shared, own };
        let (w, ow) = (a.qkv_width(), a.out_width());
        let qkv = random(group.rows() * w, 11);
        let (out, lse) = grouped(&a, &qkv, core::slice::from_ref(&group));
        // A shared row's gradient is asked for once, whatever the number of sequences: by the first of them.
        let dout = random(out.len(), 12);
        let mut dqkv = vec![f32::NAN; qkv.len()];
        a.backward(
            &qkv,
            core::slice::from_ref(&group),
            &out,
            &lse,
            &dout,
            &mut dqkv,
        );

        let mut expected = vec![0.0; dqkv.len()];
        let mut at = shared;
        for (n, &own) in group.own.iter().enumerate() {
            let part = |x: &[f32], width: usize| {
                [&x[..shared * width], &x[at * width..(at + own) * width]].concat()
            };
            let alone = part(&qkv, w);
            let offsets = [0, shared + own];
            let (alone_out, alone_lse) = forward(&a, &alone, &offsets);
            assert_same(&alone_out, &part(&out, ow));
            assert_same(&alone_lse, &part(&lse, a.heads));
            let mut alone_dout = part(&dout, ow);
            if n > 0 {
                alone_dout[..shared * ow].fill(0.0);
            }
            let mut d = vec![f32::NAN; alone.len()];
            let each = Group::each(&offsets);
            a.backward(&alone, &each, &alone_out, &alone_lse, &alone_dout, &mut d);
            for (sum, d) in expected.iter_mut().zip(&d[..shared * w]) {
                *sum += f64::from(*d);
            }
            for (sum, d) in expected[at * w..].iter_mut().zip(&d[shared * w..]) {
                *sum += f64::from(*d);
            }
            at += own;
        }
        assert_close(&dqkv, &expected, 5e-6);
    }
}
