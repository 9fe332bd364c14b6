//! Puts a prompt's responses together from the blocks that they were asked for in; every prompt ends once.

use std::{cell::RefCell, collections::VecDeque, rc::Rc};

use super::{
    choice::Choices,
    sample::{MissingPrompt, Prompt, PromptForm, RemoteResponse, Rollout},
};
use crate::fault::GivenUp;

/// Some of a prompt's responses, asked for in one request.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) whole: Rc<RefCell<Whole>>,
    /// The index of its first response.
    pub(super) first: usize,
    /// How many, at least 1.
    pub(super) count: usize,
}

/// A prompt with what has come of its responses.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) prompt: Prompt,
    responses: Vec<Option<RemoteResponse>>,
    missing: usize,
    tokens: Option<u64>,
    prompt_tokens: Option<Vec<u32>>,
    /// It was handed over, whole or as missing: what comes later is dropped.
    ended: bool,
}

/// The blocks that are still to be asked for, from prompts taken one at a time.
pub(super) struct Blocks<I> {
    prompts: I,
    queue: VecDeque<Block>,
    n: usize,
    most: usize,
}

impl<I: Iterator<Item = Prompt>> Blocks<I> {
    /// Of `n` responses to each prompt, at most `most` to a block; both at least 1.
    pub(super) fn new(prompts: I, n: usize, most: usize) -> Self {
        Self {
            prompts,
            queue: VecDeque::new(),
            n,
            most,
        }
    }

    /// The next block: of prompts that have begun, first.
    pub(super) fn next(&mut self) -> Option<Block> {
        loop {
            if let Some(block) = self.queue.pop_front() {
                if block.whole.borrow().ended {
                    continue;
                }
                return Some(block);
            }
            let prompt = self.prompts.next()?;
            let whole = Rc::new(RefCell::new(Whole {
                prompt_tokens: match &prompt.form {
                    PromptForm::Tokens(ids) => Some(ids.clone()),
                    PromptForm::Text(_) | PromptForm::Messages(_) => None,
                },
                prompt,
                responses: vec![None; self.n],
                missing: self.n,
                tokens: Some(0),
                ended: false,
            }));
            let firsts = (0..self.n).step_by(self.most);
            self.queue.extend(firsts.map(|first| Block {
                whole: whole.clone(),
                first,
                count: self.most.min(self.n - first),
            }));
        }
    }

    /// Takes a block's end; gives the prompt's, where that is it.
    pub(super) fn take(
        &mut self,
        block: &Block,
        end: Result<Choices, GivenUp>,
    ) -> Option<Result<Rollout, MissingPrompt>> {
        let mut whole = block.whole.borrow_mut();
        if whole.ended {
            return None;
        }
        let choices = match end {
            Ok(choices) => choices,
            Err(given_up) => {
                whole.ended = true;
                return Some(Err(MissingPrompt {
                    prompt_id: whole.prompt.id.clone(),
                    given_up,
                }));
            }
        };
        let got = choices.all.len();
        let places = whole.responses.iter_mut().skip(block.first);
        for (place, (_, response)) in places.zip(choices.all) {
            *place = Some(response);
        }
        whole.missing -= got;
        whole.tokens = whole.tokens.zip(choices.tokens).map(|(a, b)| a + b);
        whole.prompt_tokens = whole.prompt_tokens.take().or(choices.prompt_tokens);
        if got < block.count {
            self.queue.push_front(Block {
                whole: block.whole.clone(),
                first: block.first + got,
                count: block.count - got,
            });
        }
        if whole.missing > 0 {
            return None;
        }
        whole.ended = true;
        Some(Ok(Rollout {
            prompt_id: whole.prompt.id.clone(),
            prompt_tokens: whole.prompt_tokens.take(),
            responses: whole.responses.drain(..).flatten().collect(),
            response_tokens: whole.tokens,
        }))
    }
}
