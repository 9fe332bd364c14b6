//! Responses of data files under rewards: what `score --reward` and `evaluate --samples` share.

use infalign_data::{SampledPrompt, Samples, Turns, transcript};
use infalign_reward::{Asked, Reward};

use crate::error::Result;

/// Responses that a reward is asked about together.
const TOGETHER: usize = 1024;

/// The next prompts, with about as many responses as a reward is asked about together; none at the end.
pub(super) fn some(samples: &mut Samples) -> Result<Vec<SampledPrompt>> {
    let (mut prompts, mut responses) = (Vec::new(), 0);
    while responses < TOGETHER
        && let Some(prompt) = samples.next()
    {
        let prompt = prompt?;
        responses += prompt.responses.len();
        prompts.push(prompt);
    }
    Ok(prompts)
}

/// Raw rewards of all responses, one list per prompt.
pub(super) fn rewards(reward: &mut dyn Reward, prompts: &[SampledPrompt]) -> Result<Vec<Vec<f32>>> {
    let before = |p: &SampledPrompt| p.prompt.as_ref().map(Turns::before_response);
    let texts: Vec<String> = prompts
        .iter()
        .map(|p| before(p).unwrap_or_default())
        .collect();
    let asked: Vec<Asked<'_>> = prompts
        .iter()
        .zip(&texts)
        .flat_map(|(prompt, text)| {
            prompt.responses.iter().map(move |response| Asked {
                prompt_id: &prompt.id,
                prompt: text,
                messages: prompt.prompt.as_ref().and_then(Turns::messages),
                response: &response.text,
                answer: prompt.answer.as_deref(),
            })
        })
        .collect();
    let mut all = Vec::with_capacity(asked.len());
    for part in asked.chunks(TOGETHER) {
        all.extend(reward.rewards(part)?.into_iter().map(|r| r.0));
    }
    let mut rest = all.into_iter();
    Ok(prompts
        .iter()
        .map(|p| rest.by_ref().take(p.responses.len()).collect())
        .collect())
}

/// A prompt as a text: a conversation of one turn is that turn, a longer one is told turn by turn.
pub(super) fn text(prompt: Option<&Turns>) -> String {
    match prompt {
        None => String::new(),
        Some(Turns::Text(text)) => text.clone(),
        Some(Turns::Messages(messages)) => transcript(messages),
    }
}
