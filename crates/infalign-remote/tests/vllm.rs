//! A real vLLM, where `tests/interop/vllm/run.sh` serves tiny models; skipped elsewhere.
//!
//! | variable | what it names |
//! |---|---|
//! | `INFALIGN_VLLM` | the address of a policy |
//! | `INFALIGN_VLLM_REWARD` | the address of a reward model |
//! | `INFALIGN_VLLM_RESTART` | a command that kills the policy's server and starts it again |
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![expect(clippy::print_stderr, reason = "a skipped test says so")]

use std::{collections::BTreeMap, convert::Infallible, env, process::Command};

use infalign_data::{Message, Turns};
use infalign_remote::{
    Client, Endpoint, LikelihoodJob, LogProbsOf, Patience, Prompt, PromptForm, RemotePolicy,
    Rollout, Sampling,
    reward::{Asked, Probe, RemoteReward},
};

fn variable(name: &str) -> Option<String> {
    let value = env::var(name).ok();
    if value.is_none() {
        eprintln!("skipped: {name} is not set");
    }
    value
}

fn policy() -> Option<RemotePolicy> {
    let endpoint = Endpoint::parse(&variable("INFALIGN_VLLM")?).unwrap();
    let patience = Patience {
        tries: 200, // a server that starts again takes as long as it takes
        ..Patience::default()
    };
    let client = Client::new(endpoint, patience).unwrap();
    Some(RemotePolicy::open(client, None).unwrap())
}

fn sampling() -> Sampling {
    Sampling {
        max_tokens: 12,
        ..Sampling::default()
    }
}

fn rollouts(
    policy: &RemotePolicy,
    prompts: Vec<Prompt>,
    n: usize,
    sampling: &Sampling,
) -> BTreeMap<String, Rollout> {
    let mut all = BTreeMap::new();
    let each = |rollout: Result<Rollout, _>| {
        let rollout = rollout.unwrap();
        let twice = all.insert(rollout.prompt_id.clone(), rollout);
        assert!(twice.is_none(), "a prompt came twice");
        Ok::<_, Infallible>(())
    };
    policy.sample(prompts, n, sampling, each).unwrap();
    all
}

fn texts(count: usize) -> Vec<Prompt> {
    let text = |i| Prompt {
        id: format!("p{i}"),
        form: PromptForm::Text(format!("the cat {i}")),
    };
    (0..count).map(text).collect()
}

#[test]
fn every_prompt_once_with_tokens_and_their_log_probabilities() {
    let Some(policy) = policy() else { return };
    assert_eq!(policy.describe().server, "vllm");
    let all = rollouts(&policy, texts(40), 8, &sampling());
    assert_eq!(all.len(), 40);
    let mut firsts: Vec<&str> = all.values().map(|r| r.responses[0].text.as_str()).collect();
    firsts.sort_unstable();
    firsts.dedup();
    assert!(
        firsts.len() > 30,
        "prompts share their texts: {}",
        firsts.len()
    );
    for rollout in all.values() {
        assert_eq!(rollout.responses.len(), 8);
        let mut tokens = 0;
        for response in &rollout.responses {
            let ids = response.token_ids.as_ref().unwrap();
            let log_probs = response.token_log_probs.as_ref().unwrap();
            assert_eq!(ids.len(), log_probs.len());
            assert!(log_probs.iter().all(|&l| l.is_finite() && l <= 0.0));
            assert!(response.truncated == (ids.len() == 12 && ids[11] != 1));
            tokens += ids.len() as u64;
        }
        assert_eq!(rollout.response_tokens, Some(tokens));
    }
}

#[test]
fn messages_go_through_the_servers_template() {
    let Some(policy) = policy() else { return };
    let message = Message {
        role: "user".to_owned(),
        content: "tell me a story".to_owned(),
    };
    let form = PromptForm::from(Turns::Messages(vec![message]));
    let id = "chat".to_owned();
    let all = rollouts(&policy, vec![Prompt { id, form }], 5, &sampling());
    assert_eq!(all["chat"].responses.len(), 5);
    assert!(all["chat"].responses[0].token_ids.is_some());
}

#[test]
fn log_probabilities_of_given_tokens_are_those_of_sampling() {
    let Some(policy) = policy() else { return };
    let prompt = vec![0, 100, 204];
    let form = PromptForm::Tokens(prompt.clone());
    let id = "tokens".to_owned();
    let cold = Sampling {
        temperature: 0.5,
        top_k: 20,
        ..sampling()
    };
    assert_eq!(policy.log_probs_of(&cold), LogProbsOf::Model);
    let all = rollouts(&policy, vec![Prompt { id, form }], 4, &cold);
    for response in &all["tokens"].responses {
        let job = LikelihoodJob {
            id: "j".to_owned(),
            prompt: prompt.clone(),
            response: response.token_ids.clone().unwrap(),
        };
        let mut found = Vec::new();
        let each = |given: Result<infalign_remote::TokenLogProbs, _>| {
            found = given.unwrap().log_probs;
            Ok::<_, Infallible>(())
        };
        policy.log_probs([job], each).unwrap();
        let sampled = response.token_log_probs.as_ref().unwrap();
        assert_eq!(found.len(), sampled.len());
        // Prefill and decode sum in other orders, in f32: some units in the last place of a number near 5.
        for (a, b) in found.iter().zip(sampled) {
            assert!((a - b).abs() < 1e-4, "{a} and {b}");
        }
    }
}

#[test]
fn a_server_that_is_killed_and_comes_back_loses_no_prompt() {
    let (Some(policy), Some(restart)) = (policy(), variable("INFALIGN_VLLM_RESTART")) else {
        return;
    };
    let mut all: BTreeMap<String, Rollout> = BTreeMap::new();
    let mut missing = Vec::new();
    let each = |end: Result<Rollout, infalign_remote::MissingPrompt>| {
        match end {
            Ok(rollout) => {
                assert_eq!(rollout.responses.len(), 8);
                assert!(all.insert(rollout.prompt_id.clone(), rollout).is_none());
            }
            Err(lost) => missing.push(lost.prompt_id),
        }
        if all.len() == 100 {
            assert!(
                Command::new("sh")
                    .args(["-c", &restart])
                    .status()?
                    .success()
            );
        }
        Ok::<_, std::io::Error>(())
    };
    policy.sample(texts(400), 8, &sampling(), each).unwrap();
    assert_eq!((all.len(), missing), (400, Vec::new()));
}

#[test]
fn rewards_are_the_models_own_numbers_by_every_way() {
    let Some(address) = variable("INFALIGN_VLLM_REWARD") else {
        return;
    };
    let asked = |response| Asked {
        prompt_id: "p",
        prompt: "the cat ",
        messages: None,
        response,
        answer: None,
    };
    let asked = [
        "sat on the mat",
        "ran",
        "x",
        "flew over the old roof",
        "sat on the mat",
    ]
    .map(asked);
    let rewards = |text: &str| {
        let spec = text.parse().unwrap();
        let open = RemoteReward::open(&spec, None, Patience::default(), &Probe::default());
        let open = open.unwrap();
        assert_eq!(open.caveat(), None);
        open.rewards(&asked).unwrap()
    };
    let classify = rewards(&format!("vllm:{address}"));
    assert_eq!(classify[0], classify[4]);
    assert!(classify[..4].iter().any(|r| !(0.0..=1.0).contains(r)));
    let near = |other: Vec<f32>| {
        for (a, b) in classify.iter().zip(other) {
            assert!((a - b).abs() < 1e-3, "{a} and {b}"); // batches sum in other orders; rewards are near 50
        }
    };
    near(rewards(&address)); // detected
    near(rewards(&format!("vllm-pooling:{address}")));
    near(rewards(&format!("vllm:{address}:single")));
    assert_eq!(rewards(&format!("vllm:{address}:chat")).len(), 5);
    assert_eq!(rewards(&format!("vllm-score:{address}")).len(), 5);
}
