//! Which dialect a server speaks, from its address or from what it says of itself.
//!
//! | asked | found there |
//! |---|---|
//! | the address | a path that only one dialect has: `/get_reward`, `/v1/score/evaluation`, `/pooling`, `/score`, `/predict`, `/rerank` |
//! | `GET /openapi.json` | the paths of the servers written in Python |
//! | `GET /info` | Text Embeddings Inference: `model_type` |
//! | `GET /props` | llama.cpp: `default_generation_settings` |
//! | `GET /get_model_info` | SGLang without its API page: `model_path` |
//! | `GET /version` | vLLM without its API page: `version` |

use serde_json::Value;

use super::{DIALECTS, Dialect, Error, Result};
use crate::{Client, Fault};

const API: &str = "/openapi.json";

/// What a page of a server's holds, if it is that server.
const PAGES: [(&str, &str, &str); 4] = [
    ("/info", "model_type", "tei"),
    ("/props", "default_generation_settings", "llama.cpp"),
    ("/get_model_info", "model_path", "sglang"),
    ("/version", "version", "vllm"),
];

/// The dialect whose path the address ends with, if only one has it.
pub(super) fn by_address(address: &str) -> Option<&'static Dialect> {
    let mut found = DIALECTS.iter().filter(|d| address.ends_with(d.path));
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

/// Asks the server.
pub(super) fn by_asking(client: &Client) -> Result<&'static Dialect> {
    let page = |path: &str| match client.get(path) {
        Ok(value) => Ok(Some(value)),
        Err(given_up) => match given_up.fault {
            // It is there, and has no such page.
            Fault::NotJson { .. }
            | Fault::Status {
                status: 400 | 404..=428,
                ..
            } => Ok(None),
            _ => Err(given_up),
        },
    };
    let silent = |source| Error::Silent {
        server: client.endpoint().base().to_owned(),
        source,
    };
    if let Some(dialect) = page(API).map_err(silent)?.as_ref().and_then(by_paths) {
        return Ok(dialect);
    }
    for (path, field, name) in PAGES {
        let found = page(path).map_err(silent)?;
        if found.is_some_and(|page| page.get(field).is_some()) {
            return Ok(named(name));
        }
    }
    let pages = PAGES.iter().map(|(path, ..)| format!(", {path}"));
    Err(Error::Undetected {
        server: client.endpoint().base().to_owned(),
        asked: format!("{API}{}", pages.collect::<String>()),
        example: DIALECTS[0].example,
    })
}

/// By the paths that `/openapi.json` lists.
fn by_paths(page: &Value) -> Option<&'static Dialect> {
    let has = |path: &str| page["paths"].get(path).is_some();
    // SGLang has `/classify` too, and another one than vLLM's.
    let sglang = has("/get_model_info") || has("/model_info");
    let name = if sglang && has("/classify") {
        "sglang"
    } else {
        // In their order: of vLLM's own, `/classify` comes first.
        return DIALECTS.iter().find(|d| d.name != "sglang" && has(d.path));
    };
    Some(named(name))
}

fn named(name: &str) -> &'static Dialect {
    // The first one stands for a name that is not there; the tests see to it that all are.
    DIALECTS
        .iter()
        .find(|d| d.name == name)
        .unwrap_or(&DIALECTS[0])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pages_name_dialects_that_exist() {
        for (_, _, name) in PAGES {
            assert_eq!(named(name).name, name);
        }
        assert_eq!(named("sglang").name, "sglang");
    }

    #[test]
    fn addresses_that_end_with_a_path() {
        for (address, name) in [
            ("http://h:5000/get_reward", Some("openrlhf")),
            ("http://h/v1/score/evaluation", Some("llamafactory")),
            ("http://h/rerank", Some("llama.cpp")),
            ("http://h/classify", None),
            ("http://h:8000", None),
        ] {
            assert_eq!(by_address(address).map(|d| d.name), name, "{address}");
        }
    }

    #[test]
    fn paths_of_the_servers() {
        for (paths, name) in [
            (
                vec![
                    "/version",
                    "/pooling",
                    "/classify",
                    "/v1/rerank",
                    "/rerank",
                    "/score",
                ],
                Some("vllm"),
            ),
            (vec!["/version", "/pooling"], Some("vllm-pooling")),
            (
                vec!["/get_model_info", "/classify", "/v1/rerank"],
                Some("sglang"),
            ),
            (vec!["/model_info", "/classify"], Some("sglang")),
            (vec!["/get_reward"], Some("openrlhf")),
            (
                vec!["/v1/models", "/v1/score/evaluation"],
                Some("llamafactory"),
            ),
            (vec!["/v1/chat/completions"], None),
        ] {
            let listed: serde_json::Map<String, Value> =
                paths.iter().map(|p| ((*p).to_owned(), json!({}))).collect();
            let found = by_paths(&json!({"openapi": "3.1.0", "paths": listed}));
            assert_eq!(found.map(|d| d.name), name, "{paths:?}");
        }
        assert_eq!(by_paths(&json!([])), None);
    }
}
