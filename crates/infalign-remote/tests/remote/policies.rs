//! Sampling and log-probabilities over every kind of server.

use std::{collections::BTreeMap, convert::Infallible, fs};

use infalign_data::{Message, Turns};
use infalign_remote::{
    Client, Dialect, Endpoint, Error, Key, LikelihoodJob, LogProbsOf, Prompt, PromptForm,
    RemotePolicy, Rollout, SampleError, Sampling,
};
use serde_json::json;

use crate::{
    client, quick, served,
    server::{Act, Asked, Server},
};

fn messages(text: &str) -> PromptForm {
    PromptForm::Messages(vec![Message {
        role: "user".into(),
        content: text.into(),
    }])
}

fn prompts() -> Vec<Prompt> {
    let forms = [
        PromptForm::Text("Once".into()),
        PromptForm::Tokens(vec![1, 2, 3]),
        messages("Hello"),
    ];
    let named = |(i, form)| Prompt {
        id: format!("p{i}"),
        form,
    };
    forms.into_iter().enumerate().map(named).collect()
}

fn opened(server: &Server) -> RemotePolicy {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(&file, "sk-1").unwrap();
    let endpoint = Endpoint::parse(&server.url())
        .unwrap()
        .with_key(Key::from_file(&file).unwrap());
    RemotePolicy::open(Client::new(endpoint, quick()).unwrap(), None).unwrap()
}

fn rollouts(policy: &RemotePolicy, n: usize, sampling: &Sampling) -> BTreeMap<String, Rollout> {
    let mut all = BTreeMap::new();
    let done: Result<(), SampleError<Infallible>> = policy.sample(prompts(), n, sampling, |end| {
        let rollout = end.unwrap();
        assert!(all.insert(rollout.prompt_id.clone(), rollout).is_none());
        Ok(())
    });
    done.unwrap();
    all
}

type Kind = (fn(&Asked) -> Act, &'static str, Option<&'static str>);
const KINDS: [Kind; 4] = [
    (served::vllm, "vllm", Some("0.33.0")),
    (served::sglang, "sglang", Some("0.5.23")),
    (served::llama_cpp, "llama.cpp", Some("b8681-abc")),
    (served::hosted, "openai", None),
];

#[test]
fn each_kind_is_recognised_and_gives_what_it_has() {
    for (act, name, version) in KINDS {
        let server = Server::start(act);
        let policy = opened(&server);
        let about = policy.describe();
        assert_eq!((about.server, about.version.as_deref()), (name, version));
        assert_eq!(about.model, "tiny");
        assert_eq!(about.address, format!("http://{}", server.address));
        let all = rollouts(&policy, 5, &Sampling::default());
        assert_eq!(all.len(), 3, "{name}");
        assert_eq!(all["p1"].prompt_tokens, Some(vec![1, 2, 3]));
        assert_eq!(
            all["p0"].prompt_tokens,
            ["vllm", "sglang"].contains(&name).then(|| vec![8, 9])
        );
        let mut texts = Vec::new();
        for (id, rollout) in &all {
            assert_eq!(rollout.responses.len(), 5);
            assert_eq!(rollout.response_tokens, Some(20), "{name}");
            for response in &rollout.responses {
                assert!(response.truncated);
                let log_prob = response.log_prob().unwrap();
                if let Some(ids) = &response.token_ids {
                    assert_eq!(response.text, served::text_of(ids));
                    let expected: f64 = ids.iter().map(|w| served::log_prob_of(*w)).sum();
                    assert!((log_prob - expected).abs() < 1e-9);
                }
                texts.push(&response.text);
            }
            let row = rollout.clone().into_row("Once".into());
            assert_eq!(row.responses.len(), 5, "{name} {id}");
            assert_eq!(row.log_probs.len(), 5, "{name} {id}");
            assert_eq!(row.tokens.len() == 5, name != "openai", "{name} {id}");
        }
        texts.sort();
        texts.dedup();
        assert_eq!(texts.len(), 15, "{name}: all responses differ");
        // Drawn again they are the same; with another seed they are not.
        assert_eq!(rollouts(&policy, 5, &Sampling::default()), all);
        let other = Sampling {
            seed: 1,
            ..Sampling::default()
        };
        assert!(
            rollouts(&policy, 5, &other)
                .values()
                .zip(all.values())
                .all(|(a, b)| a.responses != b.responses)
        );
    }
}

#[test]
fn what_the_log_probabilities_are_of() {
    let cold = Sampling {
        temperature: 0.5,
        ..Sampling::default()
    };
    for ((act, ..), of) in KINDS.into_iter().zip([
        LogProbsOf::Model,
        LogProbsOf::Sampler,
        LogProbsOf::Model,
        LogProbsOf::Unknown,
    ]) {
        let policy = opened(&Server::start(act));
        assert_eq!(policy.log_probs_of(&cold), of);
        assert_eq!(
            policy.log_probs_of(&Sampling::default()),
            LogProbsOf::Sampler
        );
    }
}

#[test]
fn every_setting_is_sent_so_that_none_is_the_servers() {
    let server = Server::start(|asked| {
        if asked.path == "/v1/completions" {
            let sent = &asked.body;
            assert_eq!(sent["prompt"], "<s>Once");
            assert_eq!(sent["max_tokens"], 7);
            assert_eq!(sent["stop"], json!(["\n"]));
            let expected = json!({"temperature": 0.5, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "repetition_penalty": 1.0, "add_special_tokens": false});
            for (name, value) in expected.as_object().unwrap() {
                assert_eq!(&sent[name], value, "{name}");
            }
            assert!(sent.get("messages").is_none());
        }
        served::vllm(asked)
    });
    let sampling = Sampling {
        temperature: 0.5,
        max_tokens: 7,
        stop: vec!["\n".into()],
        add_special_tokens: Some(false),
        ..Sampling::default()
    };
    let prompt = Prompt {
        id: "p".into(),
        form: PromptForm::Text("<s>Once".into()),
    };
    let done: Result<(), SampleError<Infallible>> =
        opened(&server).sample([prompt], 1, &sampling, |end| {
            end.unwrap();
            Ok(())
        });
    done.unwrap();
}

#[test]
fn what_a_kind_lacks_is_refused_before_anything_is_sent() {
    let policy = opened(&Server::start(served::hosted));
    let sampling = Sampling {
        top_k: 20,
        ..Sampling::default()
    };
    let end = policy.sample(prompts(), 1, &sampling, |_| Ok::<(), Infallible>(()));
    let error = end.unwrap_err().to_string();
    assert!(
        error.starts_with("`top_k` is set; allowed is its default"),
        "{error}"
    );
    let end = policy.sample(prompts(), 0, &Sampling::default(), |_| {
        Ok::<(), Infallible>(())
    });
    assert_eq!(
        end.unwrap_err().to_string(),
        "`n` is 0; allowed is at least 1"
    );
}

#[test]
fn given_tokens_are_evaluated_where_the_kind_can() {
    let jobs = || {
        (0..20).map(|i| LikelihoodJob {
            id: i.to_string(),
            prompt: vec![i, 9],
            response: vec![i + 1, 77, 1],
        })
    };
    for (act, name, _) in KINDS {
        let server = Server::start(act);
        let policy = opened(&server);
        let mut seen = 0;
        let end = policy.log_probs(jobs(), |end| {
            let found = end.unwrap();
            let i: u32 = found.id.parse().unwrap();
            assert_eq!(
                found.log_probs,
                [i + 1, 77, 1].map(served::log_prob_of),
                "{name}"
            );
            seen += 1;
            Ok::<(), Infallible>(())
        });
        match end {
            Ok(()) => assert_eq!(seen, 20),
            Err(SampleError::Remote(error @ Error::Unable { .. })) => {
                assert!(["llama.cpp", "openai"].contains(&name));
                assert!(error.to_string().contains("vLLM or SGLang"), "{error}");
            }
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn texts_become_tokens_where_the_kind_can() {
    let said = Message {
        role: "user".into(),
        content: "ab".into(),
    };
    let texts = || {
        [
            ("text", Turns::Text("ab".into())),
            ("chat", Turns::Messages(vec![said.clone()])),
        ]
        .map(|(id, turns)| (id.to_owned(), turns))
    };
    for (act, name, _) in KINDS {
        let server = Server::start(act);
        let policy = opened(&server);
        for special in [true, false] {
            let mut found = BTreeMap::new();
            let end = policy.tokenise(texts(), special, |end| {
                found.extend([end.unwrap()]);
                Ok::<(), Infallible>(())
            });
            if ["llama.cpp", "openai"].contains(&name) {
                assert!(matches!(
                    end,
                    Err(SampleError::Remote(Error::Unable { .. }))
                ));
                continue;
            }
            end.unwrap();
            let text = if special {
                vec![1, 97, 98]
            } else {
                vec![97, 98]
            };
            assert_eq!(found["text"], text);
            assert_eq!(found["chat"], [1, 97, 98]);
        }
    }
}

#[test]
fn the_model_is_the_one_that_is_named_or_the_only_one() {
    let server = Server::start(|asked| match asked.path.as_str() {
        "/v1/models" => Act::Json(json!({"data": [{"id": "a"}, {"id": "b"}, {"no": "id"}]})),
        _ => served::not_found(),
    });
    let open = |model: Option<&str>| {
        let endpoint = Endpoint::parse(&server.url()).unwrap();
        let endpoint = model.map_or(endpoint.clone(), |name| endpoint.with_model(name));
        RemotePolicy::open(Client::new(endpoint, quick()).unwrap(), None)
    };
    let error = open(None).unwrap_err().to_string();
    assert_eq!(
        error,
        "the server offers several models; name the one that is meant: a, b"
    );
    let error = open(Some("c")).unwrap_err().to_string();
    assert_eq!(
        error,
        "the server does not offer the model \"c\"; it offers: a, b"
    );
    assert_eq!(open(Some("b")).unwrap().model(), "b");
    // A list is not everywhere.
    let server = Server::start(|_| served::not_found());
    let endpoint = Endpoint::parse(&server.url()).unwrap();
    let named = Client::new(endpoint.clone().with_model("m"), quick()).unwrap();
    let policy = RemotePolicy::open(named, Dialect::named("vllm")).unwrap();
    assert_eq!((policy.model(), policy.dialect().name), ("m", "vllm"));
    let error = RemotePolicy::open(Client::new(endpoint, quick()).unwrap(), None).unwrap_err();
    assert!(error.to_string().contains("name the one"), "{error}");
    // And then a missing model ends the whole.
    let end = policy.sample(prompts(), 1, &Sampling::default(), |_| {
        Ok::<(), Infallible>(())
    });
    assert!(end.unwrap_err().to_string().contains("status 404"));
}

#[test]
fn a_probe_tells_what_seeds_and_choices_are_worth() {
    let probe = |act: fn(&Asked) -> Act| {
        let server = Server::start(act);
        let mut policy = opened(&server);
        policy
            .probe(&PromptForm::Text("The".into()), &Sampling::default())
            .unwrap()
    };
    let found = probe(served::vllm);
    assert_eq!(
        (found.distinct_texts, found.repeats, found.most_choices),
        (4, true, 64)
    );
    assert!(found.token_ids && found.log_probs && found.notes().is_empty());
    let found = probe(served::hosted);
    assert_eq!((found.most_choices, found.token_ids), (1, false));
    // A server that refuses several choices.
    let found = probe(|asked| match asked.body.get("n") {
        Some(_) => Act::Status(
            400,
            Vec::new(),
            json!({"error": "only one choice"}).to_string(),
        ),
        None => served::vllm(asked),
    });
    assert_eq!(found.most_choices, 1);
    // One that refuses to tell log-probabilities.
    let found = probe(|asked| match asked.body.get("logprobs") {
        Some(_) => Act::Status(400, Vec::new(), json!({"error": "no logprobs"}).to_string()),
        None => served::vllm(asked),
    });
    assert_eq!(found.distinct_texts, 4);
    // One that ignores the seed, and one that ignores that it is the same.
    let found = probe(|asked| {
        if asked.body.get("seed").is_none() {
            return served::vllm(asked);
        }
        Act::Json(json!({"choices": [{"index": 0, "text": "always", "finish_reason": "stop"}]}))
    });
    assert!(
        found.notes()[0].starts_with("4 different seeds gave one text"),
        "{found:?}"
    );
    let found = probe(|asked| match asked.body.get("seed") {
        None => served::vllm(asked),
        Some(_) => Act::Json(
            json!({"choices": [{"text": asked.number.to_string(), "finish_reason": "stop"}]}),
        ),
    });
    assert!(
        !found.repeats && found.notes()[0].starts_with("one seed gave two texts"),
        "{found:?}"
    );
}

#[test]
fn a_kind_may_be_named() {
    let server = Server::start(served::vllm);
    let policy = RemotePolicy::open(client(&server, quick()), Dialect::named("openai")).unwrap();
    assert_eq!(policy.describe().server, "openai");
    assert!(Dialect::named("tgi").is_none());
}
