//! Tilted policies at β from 10⁻⁵ to 10³, KL from 10⁻⁶ to 8 and T = ±200, under N = 4096.

use std::sync::Arc;

use infalign::{
    Deployment, TiltedPolicy,
    design::{Budget, Question, design},
};

use super::{
    Largest, procedure,
    record::{ExtremeTilt, REFERENCE},
    transform,
};

fn policy(want: &ExtremeTilt) -> TiltedPolicy {
    let transform = transform(&want.transform);
    if want.given == "beta" {
        TiltedPolicy::at_beta(transform, want.beta).unwrap()
    } else {
        TiltedPolicy::at_kl(transform, want.kl).unwrap()
    }
}

#[test]
fn prices_budgets_and_normalisers() {
    let mut beta = Largest::new("β", 1e-9);
    let mut kl = Largest::new("KL", 1e-9);
    let mut log_z = Largest::new("log Z", 1e-9);
    for want in &REFERENCE.extreme_tilts {
        let policy = policy(want);
        let at = format!(
            "{} at {} β {:e} KL {:e}",
            want.transform, want.given, want.beta, want.kl
        );
        beta.insert_relative(policy.beta(), want.beta, &at);
        kl.insert_relative(policy.kl(), want.kl, &at);
        log_z.insert_relative(policy.log_z(), want.log_z, &at);
    }
    beta.finish();
    kl.finish();
    log_z.finish();
}

#[test]
fn win_rates_and_what_they_leave_to_one() {
    let mut win_rate = Largest::new("win rate", 1e-11);
    let mut loss = Largest::new("1 − win rate, relative", 1e-8);
    for want in &REFERENCE.extreme_tilts {
        let policy = policy(want);
        for (text, w) in &want.win_rate {
            let at = format!(
                "{text}, {} at {} β {:e} KL {:e}",
                want.transform, want.given, want.beta, want.kl
            );
            let deployment = Deployment::on_grid(procedure(text), Arc::clone(policy.law().grid()));
            win_rate.insert(deployment.win_rate(policy.law()), *w, &at);
            let left = want.one_minus_win_rate[text];
            if left > 1e-40 {
                loss.insert_relative(deployment.loss_rate(policy.law()), left, &at);
            }
        }
    }
    win_rate.finish();
    loss.finish();
}

#[test]
fn design_agrees_at_extreme_budgets() {
    let mut beta = Largest::new("β", 1e-9);
    let mut win_rate = Largest::new("win rate", 1e-11);
    for want in REFERENCE.extreme_tilts.iter().filter(|t| t.given == "kl") {
        for (text, w) in &want.win_rate {
            let question = Question {
                transforms: vec![want.transform.parse().unwrap()],
                ..Question::new(procedure(text), Budget::Kl(want.kl))
            };
            let answer = design(&question).unwrap();
            let at = format!("{text}, {} at KL {:e}", want.transform, want.kl);
            beta.insert_relative(answer.transforms[0].beta, want.beta, &at);
            win_rate.insert(answer.transforms[0].win_rate, *w, &at);
        }
    }
    beta.finish();
    win_rate.finish();
}
