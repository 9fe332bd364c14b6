//! The two seams that the program fills: what gives raw rewards, and what draws rollouts for prompts that were never calibrated.

use std::sync::Arc;

use infalign_data::Turns;

/// A response to be rewarded, with what it responds to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Names the prompt.
    pub prompt_id: Arc<str>,
    /// The prompt: a text as the trainer had it, or messages which a chat template turns into one.
    pub prompt: Arc<Turns>,
    /// The response, without tokens that end it.
    pub response: String,
    /// The right answer, where the trainer or the file of prompts gave one.
    pub answer: Option<Arc<str>>,
}

/// Gives raw rewards to responses, many at a time. Works on a thread of its own and may block.
pub trait Rewarder: Send {
    /// One finite raw reward for each response, in their order.
    ///
    /// # Errors
    /// A text for whoever asked. A batch that fails is asked again request by request, so that only the guilty ones fail.
    fn raw(&mut self, asked: &[Asked]) -> Result<Vec<f32>, String>;

    /// What `/readyz` says it is: `model:rm`.
    fn name(&self) -> &str;
}

/// Draws responses of the base policy. Works on a thread of its own and may block.
pub trait Roller: Send {
    /// `k` responses to a prompt, which depend on `seed` and the prompt alone.
    ///
    /// # Errors
    /// A text for whoever asked.
    fn rollouts(
        &mut self,
        prompt_id: &str,
        prompt: &Turns,
        k: usize,
        seed: u64,
    ) -> Result<Vec<String>, String>;
}

/// Opens a reward or a policy, and probes it. Called once, on the thread where the result then works; until it returns, `/readyz`
/// says that the service is not ready.
pub type Opening<T> = Box<dyn FnOnce() -> Result<Box<T>, String> + Send>;
