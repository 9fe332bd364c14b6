//! Probe.
#![expect(clippy::unwrap_used, reason = "parameters are valid")]
#![expect(clippy::print_stderr, reason = "probe")]
use super::*;
use crate::{Deployment, ProcedureSpec, TiltedPolicy, TransformSpec};
use std::{sync::Arc, time::Instant};

fn procedure(text: &str) -> Arc<dyn Procedure> {
    match text.parse().unwrap() {
        ProcedureSpec::Ready(p) => p,
        other => panic!("{other}"),
    }
}
fn transform(text: &str) -> Arc<dyn Transform> {
    match text.parse().unwrap() {
        TransformSpec::Ready(t) => t,
        other => panic!("{other}"),
    }
}
fn perfect(p: &str, t: &str, kl: f64) -> (f64, f64) {
    let policy = TiltedPolicy::at_kl(transform(t), kl).unwrap();
    let d = Deployment::on_grid(procedure(p), Arc::clone(policy.law().grid()));
    (policy.beta(), d.win_rate(policy.law()))
}
#[test]
fn probe() {
    for (p, ts) in [
        ("best-of:4", ["identity", "exp:5", "exp:10"]),
        ("worst-of:4", ["identity", "exp:-5", "exp:-10"]),
    ] {
        for t in ts {
            for kl in [0.5, 1.0] {
                let (beta, w0) = perfect(p, t, kl);
                for k in [10, 32, 100, 1000, 4096] {
                    let (pr, tr) = (procedure(p), transform(t));
                    let c = cost(pr.as_ref(), tr.as_ref(), beta, k).unwrap();
                    let tic = Instant::now();
                    let c1 = cost(pr.as_ref(), tr.as_ref(), beta, k).unwrap();
                    let a = tic.elapsed();
                    let std = cost(procedure("standard").as_ref(), tr.as_ref(), beta, k).unwrap();
                    let tic = Instant::now();
                    let (b2, c2) = cost_at_kl(pr.as_ref(), tr.as_ref(), kl, k).unwrap();
                    let b = tic.elapsed();
                    assert_eq!(c, c1);
                    eprintln!(
                        "{p} {t} {kl} {k}: dW {:+.4} dKL {:+.3} std-check {:+.2e} | equal KL β {:.5} dW {:+.4} kl {:.9} | {a:?} {b:?}",
                        (c.win_rate - w0) * 100.0,
                        (c.kl - kl) * 100.0,
                        std.win_rate - std.standard_win_rate,
                        b2,
                        (c2.win_rate - w0) * 100.0,
                        c2.kl
                    );
                }
                let tic = Instant::now();
                let k =
                    smallest_k(procedure(p).as_ref(), transform(t).as_ref(), kl, w0, 0.01).unwrap();
                eprintln!("smallest {k:?} {:?}", tic.elapsed());
            }
        }
    }
}
