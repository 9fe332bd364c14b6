//! A reinforcement-learning run between two steps: policy, optimiser, place in the prompts and price, which a checkpoint holds in full.

use std::time::Instant;

use infalign_lm::{
    AdamW, Decoder, Gradients, Objective, RowGrad, RowStats, Rule, gradients, score,
};

use super::{
    Controller, Draws, HeldOutKl, Landing, Prompt, Rollout, Settings, Task, critic::Critic, draw,
    held_out_kl, kl::Stats, land::land, measure::sequence, objective::Plan, shape::Rewards,
    weights::density,
};
use crate::{
    Cursor, Habits, Metrics, Order, Policy, Rates,
    error::{Error, Result},
    order::{generator, shuffle},
};

mod batch;
mod figures;
mod stored;

use batch::Part;
use figures::Figures;

/// Held-out samples are numbered from here, so that none is a training sample.
const HELD_OUT: usize = 1 << 40;
/// Samples of each held-out prompt by which a policy is put on its budget.
const LANDING: usize = 24;
/// Stream of draws that chooses among the base's rollouts.
const CHOICE: u64 = 0x7072_6f6a;

/// A run between two steps.
#[derive(Debug)]
pub struct Session {
    policy: Decoder,
    base: Decoder,
    optimiser: AdamW,
    critic: Option<Critic>,
    order: Order,
    controller: Controller,
    /// Updates from fresh samples.
    step: u64,
    spent: Spent,
}

/// Seconds of the step that is being taken.
#[derive(Debug, Clone, Copy, Default)]
struct Spent {
    sampling: f64,
    rewards: f64,
    /// The optimiser's.
    update: f64,
}

fn lap(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64()
}

/// Responses to one prompt, with their rewards.
#[derive(Debug)]
struct Group {
    prompt: usize,
    rollouts: Vec<Rollout>,
    rewards: Rewards,
    /// R/β; of the base's rollouts, w.
    nats: Vec<f64>,
}

impl Session {
    pub(super) fn begin(task: &Task<'_>, settings: &Settings) -> Result<Self> {
        let policy = task.policy.begin()?;
        let critic = match settings.objective.critic() {
            Some(_) => Some(Critic::begin(task.policy, settings)?),
            None => None,
        };
        Ok(Self {
            base: base_of(task.policy, &policy)?,
            optimiser: AdamW::new(settings.adamw, &policy)?,
            critic,
            order: Order::new(task.prompts.len() as u64, settings.seed, Cursor::default())?,
            controller: Controller::new(&settings.price),
            policy,
            step: 0,
            spent: Spent::default(),
        })
    }

    /// Steps taken.
    #[must_use]
    pub const fn step(&self) -> u64 {
        self.step
    }

    /// The policy as it is now.
    #[must_use]
    pub const fn policy(&self) -> &Decoder {
        &self.policy
    }

    /// The base.
    #[must_use]
    pub const fn base(&self) -> &Decoder {
        &self.base
    }

    /// β of the next step.
    #[must_use]
    pub const fn beta(&self) -> f64 {
        self.controller.beta
    }

    /// Takes a step; what is known of it, and the tokens that went in.
    pub(super) fn advance(
        &mut self,
        task: &mut Task<'_>,
        settings: &Settings,
        rates: &Rates,
        habits: &Habits,
    ) -> Result<(Metrics, usize)> {
        self.spent = Spent::default();
        let chosen: Vec<usize> = self
            .order
            .next_batch(settings.prompts)
            .into_iter()
            .map(|p| p as usize)
            .collect();
        let objective = settings.objective_after(self.step);
        let groups = if objective.is_offline() {
            self.recorded(task, settings, &chosen)?
        } else {
            self.fresh(task, settings, &chosen)?
        };
        let reuse = objective.reuse();
        let part = groups.len().div_ceil(settings.accumulate * reuse.1).max(1);
        let parts = groups
            .chunks(part)
            .map(|groups| Part::new(groups, task.prompts, self.policy.spec()))
            .collect::<Result<Vec<Part<'_>>>>()?;
        let rate = rates.rate(self.step + 1);
        let begun = Instant::now();
        let mut figures = Figures::new(&groups, objective.is_offline());
        if reuse == (1, 1) && objective.critic().is_none() {
            self.once(&parts, settings, rate, habits, &mut figures)?;
        } else {
            self.again(&parts, settings, rate, habits, &mut figures)?;
        }
        let learned = lap(begun);
        self.step += 1;
        let kl = figures.kl();
        if !objective.is_offline() {
            self.controller.step(&settings.price, self.step, kl);
        }
        let tokens = parts.iter().map(Part::tokens).sum();
        let metrics = figures
            .metrics(self.step)
            .value("learning_rate", rate)
            .value("beta", self.controller.beta)
            .timing("seconds/sampling", self.spent.sampling)
            .timing("seconds/rewards", self.spent.rewards)
            .timing("seconds/gradients", learned - self.spent.update)
            .timing("seconds/update", self.spent.update);
        Ok((metrics, tokens))
    }

    /// New samples of the policy.
    fn fresh(
        &mut self,
        task: &mut Task<'_>,
        settings: &Settings,
        chosen: &[usize],
    ) -> Result<Vec<Group>> {
        let begun = Instant::now();
        let prompts: Vec<&Prompt> = chosen.iter().map(|&p| &task.prompts[p]).collect();
        let first = usize::try_from(self.step).unwrap_or(usize::MAX) * settings.samples;
        let draws = draws(task.policy, settings)?;
        let drawn = draw(
            &mut self.policy,
            &prompts,
            first..first + settings.samples,
            draws,
        )?;
        let mut asked = Vec::with_capacity(drawn.len() * settings.samples);
        for (&prompt, group) in chosen.iter().zip(&drawn) {
            asked.extend(group.iter().map(|r| (prompt, r.text.as_str())));
        }
        self.spent.sampling += lap(begun);
        let begun = Instant::now();
        let raw = task.rewards.raw(&asked)?;
        self.spent.rewards += lap(begun);
        check_rewards(&raw, &asked, task.prompts)?;
        let mut rest = raw.as_slice();
        let beta = self.controller.charged(&settings.price);
        let group = |(&prompt, rollouts): (&usize, Vec<Rollout>)| {
            let (own, other) = rest.split_at(rollouts.len());
            rest = other;
            let rewards = task.shape.apply(prompt, own);
            Group {
                prompt,
                rollouts,
                nats: rewards.reward.iter().map(|r| r / beta).collect(),
                rewards,
            }
        };
        Ok(chosen.iter().zip(drawn).map(group).collect())
    }

    /// Some of the base's rollouts, chosen anew in every step.
    fn recorded(
        &self,
        task: &Task<'_>,
        settings: &Settings,
        chosen: &[usize],
    ) -> Result<Vec<Group>> {
        let stored = task.base_rollouts.ok_or_else(|| Error::Bug {
            what: "a projection without the base's rollouts".to_owned(),
        })?;
        let group = |&prompt: &usize| {
            let raw = &stored.rewards[prompt];
            let w = density(raw, task.shape.transform(), self.controller.beta)?;
            let mut order: Vec<u32> = (0..u32::try_from(raw.len()).unwrap_or(u32::MAX)).collect();
            let mut draws = generator(settings.seed, self.step, CHOICE ^ prompt as u64);
            shuffle(&mut order, &mut draws);
            order.truncate(settings.samples);
            let at = |&i: &u32| i as usize;
            let own: Vec<f32> = order.iter().map(|i| raw[at(i)]).collect();
            Ok(Group {
                prompt,
                rollouts: order
                    .iter()
                    .map(|i| Rollout {
                        tokens: stored.tokens[prompt][at(i)].clone(),
                        text: String::new(),
                        log_prob: 0.0,
                        truncated: false,
                    })
                    .collect(),
                rewards: task.shape.apply(prompt, &own),
                nats: order.iter().map(|i| w[at(i)]).collect(),
            })
        };
        chosen.iter().map(group).collect()
    }

    /// One update; the figures of the very forward pass that is differentiated make the plan.
    fn once(
        &mut self,
        parts: &[Part<'_>],
        settings: &Settings,
        rate: f64,
        habits: &Habits,
        figures: &mut Figures,
    ) -> Result<()> {
        let objective = settings.objective_after(self.step);
        let objective = objective.objective();
        let mut whole: Option<Gradients> = None;
        let mut responses = 0;
        for part in parts {
            let mut rule = |found: &[Option<RowStats>]| {
                let stats = part.by_response(found);
                let plans = part.plans(objective, &stats, None, settings.kl);
                let answers = part.answers(found, &plans, &mut |plan, now| {
                    objective.token(plan, now, settings.kl)
                });
                figures.insert(&stats);
                answers
            };
            let found = self.gradients(part, Rule::Batch(&mut rule), settings, habits)?;
            responses += part.responses();
            match &mut whole {
                Some(whole) => whole.merge(found),
                None => whole = Some(found),
            }
        }
        self.update(whole, responses, rate, figures)
    }

    /// Several updates from the same samples: their plans are made before the first.
    fn again(
        &mut self,
        parts: &[Part<'_>],
        settings: &Settings,
        rate: f64,
        habits: &Habits,
        figures: &mut Figures,
    ) -> Result<()> {
        let objective = settings.objective.objective();
        let (epochs, minibatches) = settings.objective.reuse();
        let mut plans: Vec<Vec<Vec<Plan>>> = Vec::with_capacity(parts.len());
        for part in parts {
            let temperature = settings.sampling.temperature as f32;
            let scored = score(
                &self.policy,
                Some(&self.base),
                &part.sequences(),
                temperature,
            )?;
            let stats: Stats = scored.into_iter().map(|s| s.tokens).collect();
            let values = match &self.critic {
                Some(critic) => Some(critic.values(&part.pairs())?),
                None => None,
            };
            plans.push(part.plans(objective, &stats, values.as_deref(), settings.kl));
            figures.insert(&stats);
        }
        let size = parts.len().div_ceil(minibatches).max(1);
        for _ in 0..epochs {
            for (parts, plans) in parts.chunks(size).zip(plans.chunks(size)) {
                let mut whole: Option<Gradients> = None;
                let mut responses = 0;
                for (part, plans) in parts.iter().zip(plans) {
                    let of_rows = part.of_rows(plans);
                    let mut rule = |row: usize, now: RowStats| -> RowGrad {
                        let plan = of_rows[row];
                        figures.ratio(now.log_prob - plan.old);
                        objective.token(plan, now, settings.kl)
                    };
                    let found = self.gradients(part, Rule::Row(&mut rule), settings, habits)?;
                    responses += part.responses();
                    match &mut whole {
                        Some(whole) => whole.merge(found),
                        None => whole = Some(found),
                    }
                }
                self.update(whole, responses, rate, figures)?;
                if let (Some(critic), Some(ppo)) = (&mut self.critic, settings.objective.critic()) {
                    let pairs: Vec<_> = parts.iter().flat_map(Part::pairs).collect();
                    let loss = critic.learn(&pairs, &plans.concat(), rate * ppo.value_rate)?;
                    figures.value_loss(loss);
                }
            }
        }
        Ok(())
    }

    fn gradients<'a>(
        &'a self,
        part: &'a Part<'_>,
        rule: Rule<'a>,
        settings: &Settings,
        habits: &Habits,
    ) -> Result<Gradients> {
        let objective = Objective {
            targets: part.targets(),
            reference: Some(&self.base),
            temperature: settings.sampling.temperature as f32,
            rule,
        };
        Ok(gradients(
            &self.policy,
            part.batch(),
            objective,
            habits.recompute,
        )?)
    }

    fn update(
        &mut self,
        whole: Option<Gradients>,
        responses: usize,
        rate: f64,
        figures: &mut Figures,
    ) -> Result<()> {
        let begun = Instant::now();
        let whole = whole.ok_or_else(|| Error::Bug {
            what: "a step without responses".to_owned(),
        })?;
        let scale = 1.0 / responses.max(1) as f64;
        figures.loss(whole.loss * scale);
        let update = self
            .optimiser
            .update(&mut self.policy, whole, scale, rate)?;
        figures.update(update);
        self.spent.update += lap(begun);
        Ok(())
    }

    /// Measures the KL on held-out prompts, and tells the controller.
    pub(super) fn observe_held_out(
        &mut self,
        task: &Task<'_>,
        settings: &Settings,
        metrics: Metrics,
    ) -> Result<Metrics> {
        let found = self.held_out(task, settings)?;
        self.controller.held_out(found.kl.mean);
        Ok(metrics
            .value("held_out/kl", found.kl.mean)
            .value("held_out/kl_low", found.kl.low)
            .value("held_out/kl_high", found.kl.high))
    }

    fn held_out(&mut self, task: &Task<'_>, settings: &Settings) -> Result<HeldOutKl> {
        let HeldOutSamples { prompts, samples } = held_out(task.held_out, settings, self.step);
        let draws = draws(task.policy, settings)?;
        held_out_kl(&mut self.policy, &self.base, &prompts, samples, draws)
    }

    /// The policy put on `budget` ([`Landing`]), by fresh samples of the held-out prompts.
    ///
    /// # Errors
    /// As [`held_out_kl`].
    pub fn land(
        &self,
        task: &Task<'_>,
        settings: &Settings,
        budget: f64,
    ) -> Result<(Decoder, Landing)> {
        let HeldOutSamples { samples, .. } = held_out(task.held_out, settings, self.step + 1);
        let samples = samples.start..samples.start + LANDING.max(settings.held_out.samples);
        let start = task.policy.begin()?;
        // All held-out prompts, not only those that the controller looks at.
        let all: Vec<&Prompt> = task.held_out.iter().collect();
        land(
            &self.policy,
            &start,
            budget,
            &all,
            samples,
            draws(task.policy, settings)?,
        )
    }
}

/// The base p: the policy before its first step, sharing its tensors where adapters are trained.
fn base_of(policy: &Policy, model: &Decoder) -> Result<Decoder> {
    let mut base = if policy.lora.is_some() {
        model.base()
    } else {
        policy.begin()?
    };
    base.freeze();
    Ok(base)
}

fn draws<'a>(policy: &'a Policy, settings: &'a Settings) -> Result<Draws<'a>> {
    let folder = policy.folder().ok_or_else(|| Error::Bug {
        what: "reinforcement learning from a model without a folder".to_owned(),
    })?;
    Ok(Draws {
        sampling: &settings.sampling,
        eos: &folder.tokens().eos,
        tokenizer: folder.tokenizer()?,
        cache_bytes: settings.cache_bytes,
    })
}

struct HeldOutSamples<'a> {
    prompts: Vec<&'a Prompt>,
    samples: std::ops::Range<usize>,
}

fn held_out<'a>(all: &'a [Prompt], settings: &Settings, step: u64) -> HeldOutSamples<'a> {
    let samples = settings.held_out.samples;
    let first = HELD_OUT + usize::try_from(step).unwrap_or(usize::MAX / 2) * samples;
    HeldOutSamples {
        prompts: all.iter().take(settings.held_out.prompts).collect(),
        samples: first..first + samples,
    }
}

/// Refuses rewards that are no numbers, before anything is learned from them.
fn check_rewards(raw: &[f32], asked: &[(usize, &str)], prompts: &[Prompt]) -> Result<()> {
    if raw.len() != asked.len() {
        return Err(Error::Bug {
            what: format!("{} rewards for {} responses", raw.len(), asked.len()),
        });
    }
    match raw.iter().position(|r| !r.is_finite()) {
        Some(at) => Err(Error::BadReward {
            prompt: prompts[asked[at].0].id.to_string(),
            response: asked[at].1.to_owned(),
            value: raw[at],
        }),
        None => Ok(()),
    }
}
