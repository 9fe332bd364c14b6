//! A trainer's text of prompt and response, taken apart.
//!
//! | text | prompt given | outcome |
//! |---|---|---|
//! | begins with the prompt | yes | the rest is the response |
//! | the same but for white space, as a tokeniser leaves it | yes | the rest after the prompt's last character |
//! | anything else, such as a prompt that was cut off at its beginning | yes | `None` |
//! | begins with a known prompt | no | the longest one; the rest is the response |
//! | … in a conversation | no | what stands before the prompt is skipped, and what follows it must follow |
//! | no known prompt, a conversation | no | the prompt ends where what follows it first stands |
//! | no known prompt | no | `None` |
//!
//! Tokens that end a turn are then taken off the end of the response, with the white space that a template puts behind each.

use std::str::FromStr;

use infalign_data::Lookup;

use crate::{
    error::{Error, Result},
    known::Known,
};

/// What a chat template puts around the prompt of one turn: `<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    before: String,
    after: String,
}

impl FromStr for Conversation {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let once = text.split_once("{prompt}");
        match once {
            Some((before, after)) if !after.is_empty() && !after.contains("{prompt}") => Ok(Self {
                before: before.to_owned(),
                after: after.to_owned(),
            }),
            _ => Err(Error::Settings(
                "a conversation is written with `{prompt}` once, and with what stands between it and the response: `<|user|>{prompt}<|assistant|>`",
            )),
        }
    }
}

/// The response of a query that begins with its prompt.
pub(crate) fn after_prompt<'a>(query: &'a str, prompt: &str) -> Option<&'a str> {
    if let Some(response) = query.strip_prefix(prompt) {
        return Some(response);
    }
    let mut rest = query.chars();
    for wanted in prompt.chars().filter(|c| !c.is_whitespace()) {
        if rest.find(|c| !c.is_whitespace()) != Some(wanted) {
            return None;
        }
    }
    Some(rest.as_str())
}

/// Prompt and response of a text whose prompt is not given.
pub(crate) fn recognised<'a>(
    text: &'a str,
    conversation: Option<&Conversation>,
    known: &Known,
    table: Option<&Lookup>,
) -> Option<(&'a str, &'a str)> {
    let after = conversation.map_or("", |c| c.after.as_str());
    let text = conversation.map_or(Some(text), |c| text.strip_prefix(c.before.as_str()))?;
    if let Some(prompt) = known.beginning(table, text, after) {
        return Some((prompt, &text[prompt.len() + after.len()..]));
    }
    conversation.and_then(|c| text.split_once(c.after.as_str()))
}

/// A response without the tokens that end it.
pub(crate) fn ended<'a>(response: &'a str, ends: &[String]) -> &'a str {
    let mut response = response;
    while let Some(shorter) = ends
        .iter()
        .filter(|end| !end.is_empty())
        .find_map(|end| response.trim_end().strip_suffix(end.as_str()))
    {
        response = shorter;
    }
    response
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use infalign_data::Turns;
    use proptest::prelude::*;

    use super::*;
    use crate::{known::KnownPrompt, settings::Settings};

    fn known(texts: &[&str]) -> Known {
        let one = |text: &&str| KnownPrompt {
            id: format!("id of {text}"),
            prompt: Turns::Text((*text).to_owned()),
            answer: None,
        };
        Known::new(texts.iter().map(one).collect())
    }

    #[test]
    fn white_space_of_a_tokeniser_is_forgiven() {
        assert_eq!(
            after_prompt("<s> [INST] Hi [/INST] yes", "<s>[INST] Hi [/INST]"),
            Some(" yes")
        );
        assert_eq!(after_prompt("cut off? yes", "not cut off?"), None);
        assert_eq!(after_prompt("Hi", "Hi there"), None);
    }

    #[test]
    fn conversations() {
        let chat: Conversation = "<u>{prompt}</u><a>".parse().unwrap();
        let known = known(&["Hi", "Hi</u><a>you</a><u>and?"]);
        let split = |text| recognised(text, Some(&chat), &known, None);
        assert_eq!(split("<u>Hi</u><a>yes</a>"), Some(("Hi", "yes</a>")));
        let longer = "<u>Hi</u><a>you</a><u>and?</u><a>no";
        assert_eq!(split(longer), Some(("Hi</u><a>you</a><u>and?", "no")));
        // A response cannot move the end of its prompt.
        assert_eq!(split("<u>new</u><a>x</u><a>y"), Some(("new", "x</u><a>y")));
        assert_eq!(split("Hi</u><a>yes"), None);
        assert_eq!(
            recognised("Hi there", None, &known, None),
            Some(("Hi", " there"))
        );
        assert_eq!(recognised("Ho there", None, &known, None), None);
        for wrong in ["no place", "{prompt}", "{prompt}{prompt}x"] {
            assert!(wrong.parse::<Conversation>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn tokens_at_the_end_come_off() {
        let ends = Settings::default().end_tokens;
        for (response, bare) in [
            (" yes</s>", " yes"),
            ("yes <|im_end|>\n", "yes "),
            ("yes<|im_end|>\n<|endoftext|><|endoftext|>", "yes"),
            ("</s> yes \n", "</s> yes \n"),
            ("</s>", ""),
        ] {
            assert_eq!(ended(response, &ends), bare);
        }
    }

    proptest! {
        #[test]
        fn what_was_put_together_comes_apart(prompt in ".{0,20}", response in ".{0,20}", ends in 0usize..3) {
            let query = format!("{prompt}{response}{}", "</s>".repeat(ends));
            let rest = after_prompt(&query, &prompt).unwrap();
            prop_assert_eq!(ended(rest, &["</s>".to_owned()]), &*response);
        }

        #[test]
        fn any_text_is_split_or_refused(query in ".{0,20}", prompt in ".{0,10}", spaced in "[ a<>/s\n]{0,20}") {
            for query in [&query, &spaced] {
                if let Some(rest) = after_prompt(query, &prompt) {
                    prop_assert!(query.ends_with(rest));
                    let words = |text: &str| text.split_whitespace().collect::<String>();
                    prop_assert_eq!(words(&query[..query.len() - rest.len()]), words(&prompt));
                }
                let bare = ended(query, &["</s>".to_owned()]);
                prop_assert!(query.starts_with(bare) && !bare.trim_end().ends_with("</s>"));
            }
        }

        #[test]
        fn known_prompts_are_recognised(prompt in "[a-c]{1,3}", response in "[a-c<]{0,5}", others in prop::collection::vec("[a-c]{1,3}", 0..6)) {
            let mut texts: Vec<&str> = others.iter().map(String::as_str).collect();
            texts.push(&prompt);
            let chat: Conversation = "<<{prompt}>>".parse().unwrap();
            let text = format!("<<{prompt}>>{response}");
            let split = recognised(&text, Some(&chat), &known(&texts), None);
            prop_assert_eq!(split, Some((&*prompt, &*response)));
        }
    }
}
