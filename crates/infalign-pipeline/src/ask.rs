//! What the policy is asked: prompts as texts, as tokens, and in two parts, training and held out.

use infalign_data::{Message, Turns, read_prompts};
use infalign_lm::{ChatOptions, Folder};
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
    /// The text that the policy sees.
    pub(crate) text: String,
    /// The right answer, where there is one.
    pub(crate) answer: Option<String>,
}

/// All prompts of a run.
#[derive(Debug, Clone)]
pub(crate) struct Questions {
    pub(crate) training: Vec<Question>,
    pub(crate) held_out: Vec<Question>,
}

impl Questions {
    /// As configured, in the words and tokens of the policy of `folder`.
    pub(crate) fn read(config: &Config, folder: &Folder) -> Result<Self> {
        let p = &config.prompts;
        let (mut training, held_out) = if p.file == TAVERN {
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
        let room = folder
            .spec()
            .max_positions
            .saturating_sub(config.sampling.max_tokens);
        for question in training.iter().chain(&held_out) {
            let tokens = question.prompt.tokens.len();
            if tokens == 0 || tokens > room {
                return Err(Error::Config {
                    place: p.file.clone(),
                    why: format!(
                        "prompt `{}` has {tokens} tokens; the model's context of {} leaves room for 1 to {room} beside sampling.max_tokens = {}",
                        question.prompt.id,
                        folder.spec().max_positions,
                        config.sampling.max_tokens
                    ),
                });
            }
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
            folder,
        )?);
    }
    Ok((training, held_out))
}

fn file(path: &std::path::Path, folder: &Folder) -> Result<Vec<Question>> {
    read_prompts(path)?
        .map(|row| {
            let row = row?;
            question(&row.id, &row.prompt, row.answer.clone(), folder)
        })
        .collect()
}

/// A text as it is, with the tokens that the tokenizer puts before it; a conversation as the template writes it.
fn question(id: &str, prompt: &Turns, answer: Option<String>, folder: &Folder) -> Result<Question> {
    let tokenizer = folder.tokenizer()?;
    let (text, special) = match prompt {
        Turns::Text(text) => (text.clone(), true),
        Turns::Messages(messages) => {
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
            (template.render(&messages, &options)?, false)
        }
    };
    Ok(Question {
        prompt: rl::Prompt {
            id: id.into(),
            tokens: tokenizer.encode(&text, special)?,
        },
        text,
        answer,
    })
}
