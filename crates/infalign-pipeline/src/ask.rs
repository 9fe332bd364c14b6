//! What the policy is asked: prompts as texts, as tokens, and in two parts, training and held out.

use std::borrow::Cow;

use infalign_data::{Message, Turns, read_prompts, transcript};
use infalign_lm::{ChatOptions, Folder};
use infalign_reward::Asked;
use infalign_train::rl;
use serde_json::json;

use crate::{
    config::{Config, TAVERN},
    error::{Error, Result},
};

/// A prompt with everything that stages want of it.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    /// Id and tokens.
    pub(crate) prompt: rl::Prompt,
    /// The text that the policy sees; of messages that a server's template dresses, what stands before a response in plain words.
    pub(crate) text: String,
    /// The prompt as it was given.
    pub(crate) turns: Turns,
    /// Whether a chat template was put around it here.
    dressed: bool,
    /// The right answer, where there is one.
    pub(crate) answer: Option<String>,
}

impl Question {
    /// What a reward is asked about a response.
    pub(crate) fn asked<'a>(&'a self, response: &'a str) -> Asked<'a> {
        Asked {
            prompt_id: &self.prompt.id,
            prompt: &self.text,
            messages: self.turns.messages(),
            response,
            answer: self.answer.as_deref(),
        }
    }

    /// The prompt for a reader: a conversation turn by turn, without the marks of a template.
    pub(crate) fn shown(&self) -> Cow<'_, str> {
        match &self.turns {
            Turns::Messages(messages) => Cow::Owned(transcript(messages)),
            Turns::Text(_) => Cow::Borrowed(&self.text),
        }
    }

    /// The messages, where nobody here makes a text of them.
    pub(crate) fn of_a_chat(&self) -> Option<&[Message]> {
        match &self.turns {
            Turns::Messages(messages) if !self.dressed => Some(messages),
            _ => None,
        }
    }
}

/// All prompts of a run.
#[derive(Debug, Clone)]
pub(crate) struct Questions {
    pub(crate) training: Vec<Question>,
    pub(crate) held_out: Vec<Question>,
}

impl Questions {
    /// As configured, in the words and tokens of the policy of `folder`; without one, as they were given.
    pub(crate) fn read(config: &Config, folder: Option<&Folder>) -> Result<Self> {
        let p = &config.prompts;
        let (mut training, held_out) = if let (TAVERN, Some(folder)) = (p.file.as_str(), folder) {
            let (training, mut held_out) = embedded(folder)?;
            held_out.truncate(p.held_out);
            (training, held_out)
        } else {
            let mut all = file(&config.at(&p.file), folder)?;
            let held_out = match &p.held_out_file {
                Some(path) => file(&config.at(path), folder)?,
                None => all.split_off(all.len().saturating_sub(p.held_out)),
            };
            (all, held_out)
        };
        if p.limit > 0 {
            training.truncate(p.limit);
        }
        if let Some(folder) = folder {
            fitting(config, folder, &training)?;
            fitting(config, folder, &held_out)?;
        }
        if training.is_empty() || held_out.len() < 2 {
            return Err(Error::Config {
                place: p.file.clone(),
                why: format!(
                    "{} prompts to train on and {} held out; expected at least 1 and 2: give more prompts, or change prompts.held_out",
                    training.len(),
                    held_out.len()
                ),
            });
        }
        Ok(Self { training, held_out })
    }

    /// The training prompts as training wants them.
    pub(crate) fn of_training(&self) -> Vec<rl::Prompt> {
        self.training.iter().map(|q| q.prompt.clone()).collect()
    }

    /// The held-out prompts as training wants them.
    pub(crate) fn of_held_out(&self) -> Vec<rl::Prompt> {
        self.held_out.iter().map(|q| q.prompt.clone()).collect()
    }
}

/// Refuses prompts that leave no room for a response.
fn fitting(config: &Config, folder: &Folder, questions: &[Question]) -> Result<()> {
    let room = folder
        .spec()
        .max_positions
        .saturating_sub(config.sampling.max_tokens);
    for question in questions {
        let tokens = question.prompt.tokens.len();
        if tokens == 0 || tokens > room {
            return Err(Error::Config {
                place: config.prompts.file.clone(),
                why: format!(
                    "prompt `{}` has {tokens} tokens; the model's context of {} leaves room for 1 to {room} beside sampling.max_tokens = {}",
                    question.prompt.id,
                    folder.spec().max_positions,
                    config.sampling.max_tokens
                ),
            });
        }
    }
    Ok(())
}

fn embedded(folder: &Folder) -> Result<(Vec<Question>, Vec<Question>)> {
    let (mut training, mut held_out) = (Vec::new(), Vec::new());
    for prompt in infalign_tavern::prompts() {
        let part = match prompt.part {
            infalign_tavern::Part::Training => &mut training,
            infalign_tavern::Part::HeldOut => &mut held_out,
        };
        part.push(question(
            &prompt.id,
            &Turns::Text(prompt.text),
            None,
            Some(folder),
        )?);
    }
    Ok((training, held_out))
}

fn file(path: &std::path::Path, folder: Option<&Folder>) -> Result<Vec<Question>> {
    read_prompts(path)?
        .map(|row| {
            let row = row?;
            question(&row.id, &row.prompt, row.answer.clone(), folder)
        })
        .collect()
}

/// A text as it is, with the tokens that the tokenizer puts before it; a conversation as the template writes it. Without a folder there are no tokens.
pub(crate) fn question(
    id: &str,
    prompt: &Turns,
    answer: Option<String>,
    folder: Option<&Folder>,
) -> Result<Question> {
    let (text, dressed) = text(id, prompt, folder)?;
    let tokens = match folder {
        Some(folder) => folder.tokenizer()?.encode(&text, !dressed)?,
        None => Vec::new(),
    };
    Ok(Question {
        prompt: rl::Prompt {
            id: id.into(),
            tokens,
        },
        text,
        turns: prompt.clone(),
        dressed,
        answer,
    })
}

/// What the policy sees of a prompt, and whether a chat template was put around it here.
pub(crate) fn text(id: &str, prompt: &Turns, folder: Option<&Folder>) -> Result<(String, bool)> {
    Ok(match (prompt, folder) {
        (Turns::Text(text), _) => (text.clone(), false),
        (Turns::Messages(_), None) => (prompt.before_response(), false),
        (Turns::Messages(messages), Some(folder)) => {
            let template = folder.chat_template().ok_or_else(|| Error::Config {
                place: format!("prompt `{id}`"),
                why: "it holds messages, but the model has no chat template; add chat_template.jinja to its folder, or give texts".to_owned(),
            })?;
            let value = |m: &Message| json!({"role": m.role, "content": m.content});
            let messages: Vec<_> = messages.iter().map(value).collect();
            let options = ChatOptions {
                add_generation_prompt: true,
                ..ChatOptions::default()
            };
            (template.render(&messages, &options)?, true)
        }
    })
}
