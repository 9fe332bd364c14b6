//! Two conversations or texts taken apart into the prompt that they share and two responses.
//!
//! | prompt | chosen, rejected | outcome |
//! |---|---|---|
//! | text | texts | as they are |
//! | messages, or none | messages | the turns that both begin with are the prompt; each rest begins with the assistant |
//! | text | messages | the same when the shared turns begin or end with that text, else the text becomes a user's turn |
//! | none | texts | the characters that both begin with, as TRL's `extract_prompt`; a space before the parting belongs to the responses |
//! | any | one a text, one messages | the text becomes a message |
//! | nothing shared, or nothing left | | an error |

use crate::{
    error::{Error, Place, Result},
    formats::Preference,
    texts::{Message, Turns},
};

const ASSISTANT: &str = "assistant";
const USER: &str = "user";

/// The prompt and the two responses.
pub(super) fn split(
    prompt: Option<Turns>,
    chosen: Turns,
    rejected: Turns,
    place: &Place,
) -> Result<(Turns, Turns, Turns)> {
    match (prompt, chosen, rejected) {
        (Some(prompt @ Turns::Text(_)), chosen @ Turns::Text(_), rejected @ Turns::Text(_)) => {
            Ok((prompt, chosen, rejected))
        }
        (None, Turns::Text(chosen), Turns::Text(rejected)) => texts(&chosen, &rejected, place),
        (prompt, chosen, rejected) => {
            let chosen = chosen.into_messages(ASSISTANT);
            let rejected = rejected.into_messages(ASSISTANT);
            messages(prompt, chosen, rejected, place)
        }
    }
}

fn messages(
    prompt: Option<Turns>,
    mut chosen: Vec<Message>,
    mut rejected: Vec<Message>,
    place: &Place,
) -> Result<(Turns, Turns, Turns)> {
    let given = prompt.map(|prompt| prompt.into_messages(USER));
    let shared = shared(&chosen, &rejected);
    let before = match given {
        // Responses that do not repeat the prompt.
        Some(given) if !repeats(&chosen[..shared], &given) => given,
        _ if shared == 0 => return Err(nothing_shared(place)),
        _ => {
            let rest = chosen.split_off(shared);
            rejected.drain(..shared);
            std::mem::replace(&mut chosen, rest)
        }
    };
    Ok((
        Turns::Messages(before),
        Turns::Messages(chosen),
        Turns::Messages(rejected),
    ))
}

/// How many turns the two share before the assistant answers.
fn shared(chosen: &[Message], rejected: &[Message]) -> usize {
    let alike = chosen.iter().zip(rejected).take_while(|(a, b)| a == b);
    let most = chosen.len().min(rejected.len()).saturating_sub(1);
    let mut shared = alike.count().min(most);
    let answers = |at: usize| {
        let said = |turns: &[Message]| turns[at].role == ASSISTANT;
        said(chosen) && said(rejected) && (at == 0 || chosen[at - 1].role != ASSISTANT)
    };
    while shared > 0 && !answers(shared) {
        shared -= 1;
    }
    shared
}

/// Whether the shared turns begin or end with the given ones.
fn repeats(shared: &[Message], given: &[Message]) -> bool {
    !shared.is_empty() && (shared.ends_with(given) || shared.starts_with(given))
}

fn texts(chosen: &str, rejected: &str, place: &Place) -> Result<(Turns, Turns, Turns)> {
    let alike = chosen.chars().zip(rejected.chars());
    let mut shared: usize = alike
        .take_while(|(a, b)| a == b)
        .map(|(a, _)| a.len_utf8())
        .sum();
    if chosen[..shared].ends_with(' ') {
        shared -= 1;
    }
    if shared == 0 {
        return Err(nothing_shared(place));
    }
    if shared == chosen.len() || shared == rejected.len() {
        return Err(Error::UnusableRow {
            place: place.clone(),
            column: "chosen".to_owned(),
            what: "one of the two texts begins with all of the other, so that it cannot be told where the prompt ends; give a `prompt`",
        });
    }
    Ok((
        Turns::Text(chosen[..shared].to_owned()),
        Turns::Text(chosen[shared..].to_owned()),
        Turns::Text(rejected[shared..].to_owned()),
    ))
}

fn nothing_shared(place: &Place) -> Error {
    Error::UnusableRow {
        place: place.clone(),
        column: "chosen".to_owned(),
        what: "`chosen` and `rejected` do not begin with a prompt that they share; give a `prompt`",
    }
}

/// A preference, with its tie told by margin, mark or equality.
pub(super) fn preference(
    chosen: Turns,
    rejected: Turns,
    margin: Option<f64>,
    said: bool,
) -> Preference {
    let tie = said || margin == Some(0.0) || chosen == rejected;
    Preference {
        chosen,
        rejected,
        margin,
        tie,
    }
}
