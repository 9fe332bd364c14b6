//! The models that a server says it offers (`GET /v1/models`).

use serde_json::Value;

use crate::{client::Client, fault::GivenUp};

/// A model as a server lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedModel {
    /// The name that requests give.
    pub id: String,
    /// What serves it, in the server's words: `vllm`, `sglang`, `llamacpp`, a company.
    pub owned_by: Option<String>,
    /// The most tokens of prompt and response together, where the server says it.
    pub context: Option<u64>,
}

impl Client {
    /// The models that the server offers, in its order; what is not listed as one is passed over.
    ///
    /// # Errors
    /// [`GivenUp`]: a server need not have this page.
    pub fn models(&self) -> Result<Vec<ServedModel>, GivenUp> {
        let page = self.get("/v1/models")?;
        let listed = page.get("data").and_then(Value::as_array);
        Ok(listed.into_iter().flatten().filter_map(model).collect())
    }
}

fn model(entry: &Value) -> Option<ServedModel> {
    let text = |name: &str| entry.get(name).and_then(Value::as_str).map(str::to_owned);
    let context = ["/max_model_len", "/context_length", "/meta/n_ctx"];
    Some(ServedModel {
        id: text("id")?,
        owned_by: text("owned_by"),
        context: context.iter().find_map(|at| entry.pointer(at)?.as_u64()),
    })
}
