//! Neither the key nor a prompt is in anything that is shown, recorded or sent elsewhere.

use std::fs;

use infalign_remote::{
    Client, Endpoint, Error, Key, Patience, Prompt, PromptForm, RemotePolicy, Sampling,
};
use serde_json::{Value, json};

use crate::{
    quick, served,
    server::{Act, Server},
};

const KEY: &str = "sk-5f2c9d81aa";
const SECRET: &str = "My name is Ada Lovelace and I was born in 1815.";

fn key() -> Key {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(&file, KEY).unwrap();
    Key::from_file(file.path()).unwrap()
}

fn client(server: &Server) -> Client {
    let endpoint = Endpoint::parse(&server.url())
        .unwrap()
        .with_key(key())
        .with_model("tiny");
    Client::new(
        endpoint,
        Patience {
            tries: 2,
            ..quick()
        },
    )
    .unwrap()
}

fn clean(text: &str) {
    assert!(!text.contains("5f2c9d81"), "the key is in {text}");
    assert!(
        !text.contains("Lovelace") && !text.contains("1815"),
        "the prompt is in {text}"
    );
}

/// Refuses with all that it was told.
fn echo(status: u16, body: &Value, headers: &str) -> Act {
    let text = json!({"error": {"message": format!("no: {headers} {body}"), "input": body}});
    Act::Status(status, Vec::new(), text.to_string())
}

#[test]
fn a_server_that_repeats_everything() {
    for status in [400, 401, 404, 422, 429, 500, 200] {
        let server = Server::start(move |asked| match asked.path.as_str() {
            "/v1/models" => served::vllm(asked),
            _ if status == 200 => {
                Act::Json(json!({"choices": [{"finish_reason": asked.body["prompt"]}]}))
            }
            _ => {
                assert!(asked.headers.contains(KEY));
                echo(status, &asked.body, &asked.headers)
            }
        });
        let policy = RemotePolicy::open(client(&server), None).unwrap();
        clean(&format!("{policy:?} {:?}", policy.describe()));
        clean(&serde_json::to_string(&policy.describe()).unwrap());
        let prompt = Prompt {
            id: "p1".into(),
            form: PromptForm::Text(SECRET.into()),
        };
        let mut said = String::new();
        let end = policy.sample([prompt], 2, &Sampling::default(), |end| {
            let missing = end.unwrap_err();
            said = format!("{missing} {missing:?}");
            Ok::<(), std::convert::Infallible>(())
        });
        if let Err(error) = &end {
            said = format!("{error} {error:?}");
        }
        assert!(
            said.contains("p1") != said.contains("INFALIGN_API_KEY") || status == 404,
            "{said}"
        );
        clean(&said);
    }
}

#[test]
fn a_redirect_does_not_take_the_key_along() {
    let other = Server::start(|_| Act::Json(json!({})));
    let to = format!("http://{}/v1/models?token={KEY}", other.address);
    for status in [301, 302, 307, 308] {
        let to = to.clone();
        let server = Server::start(move |_| {
            Act::Status(status, vec![("location", to.clone())], String::new())
        });
        let error = RemotePolicy::open(client(&server), None).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(
            matches!(error, Error::Server(_)) && text.contains(&other.address.to_string()),
            "{text}"
        );
        clean(&text);
    }
    assert_eq!(other.requests.load(std::sync::atomic::Ordering::Relaxed), 0);
}

#[test]
fn the_wrong_key_says_which_variable() {
    let server = Server::start(served::hosted);
    let endpoint = Endpoint::parse(&server.url()).unwrap();
    let error = RemotePolicy::open(Client::new(endpoint, quick()).unwrap(), None).unwrap_err();
    assert!(error.to_string().contains("INFALIGN_API_KEY"), "{error}");
}
