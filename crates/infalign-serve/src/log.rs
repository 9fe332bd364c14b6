//! One line for each request, handed to whoever keeps the log.

use std::sync::Arc;

use serde::Serialize;

/// Takes a line; called on the threads that answer, so it should not block.
pub type Log = Arc<dyn Fn(&Line) + Send + Sync>;

/// What is said of a request. It holds no token, and no prompt, response or id unless prompts are asked for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// GET, POST, PUT, or `other`.
    pub method: &'static str,
    /// A route of the service, or `other`.
    pub route: &'static str,
    /// The status of the answer.
    pub status: u16,
    /// From the head of the request to its answer.
    pub milliseconds: f64,
    /// Responses that were rewarded, or prompts that were calibrated.
    pub items: usize,
    /// The code of an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// The ids of the prompts, where they are asked for; a prompt without one is named by its text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prompts: Vec<String>,
}

/// What a handler knows of its request, on its way to the line.
#[derive(Debug, Clone, Default)]
pub(crate) struct Noted {
    pub(crate) items: usize,
    pub(crate) prompts: Vec<String>,
}
