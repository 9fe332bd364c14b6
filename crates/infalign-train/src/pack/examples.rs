//! Examples as segments: which text is given and which is learned, through the chat template where there are messages.
//!
//! A conversation is rendered as a whole, text T. Of the assistant's turn i, what is learned begins where the conversation before it, rendered
//! with the prompt for an answer, ends; and ends where the conversation up to it, rendered without, ends: its words and the template's mark
//! for their end. Some templates render an earlier turn otherwise than the last one (without its thoughts, say); then the words are looked for
//! in T, and the mark is what follows them when the turn is the last.
//!
//! | example | begins with BOS, ends with EOS |
//! |---|---|
//! | texts | yes, where the tokenizer has them |
//! | messages | as the template writes; EOS is added where it writes nothing after the last answer |

use infalign_data::{Example, Message, Place, Turns};
use infalign_lm::{ChatOptions, ChatTemplate};
use serde_json::Value;

use super::{Segment, SftOptions};
use crate::error::{Error, Result};

/// The segments of an example, and the options for its row: those given, but for BOS and EOS.
///
/// # Errors
/// [`Error::NoTemplate`], [`Error::Untraceable`], or what the template says of the messages.
pub fn segments(
    example: &Example,
    template: Option<&ChatTemplate>,
    options: &SftOptions,
    place: &Place,
) -> Result<(Vec<Segment>, SftOptions)> {
    let (messages, learned_from) = match example {
        Example::Completion {
            prompt: Turns::Text(prompt),
            completion: Turns::Text(completion),
        } => {
            let parts = vec![
                Segment::given(prompt.as_str()),
                Segment::learned(completion.as_str()),
            ];
            return Ok((parts, *options));
        }
        Example::Completion { prompt, completion } => {
            let mut messages = turns(prompt, "user");
            let from = messages.len();
            messages.extend(turns(completion, "assistant"));
            (messages, from)
        }
        Example::Chat { messages } => (messages.clone(), 0),
    };
    let template = template.ok_or_else(|| Error::NoTemplate {
        place: place.to_string(),
    })?;
    let (parts, open_end) = Conversation::new(template, &messages)?.parts(learned_from, place)?;
    let options = SftOptions {
        add_bos: false,
        add_eos: open_end,
        ..*options
    };
    Ok((parts, options))
}

fn turns(turns: &Turns, role: &str) -> Vec<Message> {
    match turns {
        Turns::Messages(messages) => messages.clone(),
        Turns::Text(content) => vec![Message {
            role: role.to_owned(),
            content: content.clone(),
        }],
    }
}

struct Conversation<'a> {
    template: &'a ChatTemplate,
    messages: &'a [Message],
    values: Vec<Value>,
    whole: String,
}

impl<'a> Conversation<'a> {
    fn new(template: &'a ChatTemplate, messages: &'a [Message]) -> Result<Self> {
        let value = |m: &Message| serde_json::json!({"role": m.role, "content": m.content});
        let mut new = Self {
            template,
            messages,
            values: messages.iter().map(value).collect(),
            whole: String::new(),
        };
        new.whole = new.render(messages.len(), false)?;
        Ok(new)
    }

    /// The first `count` messages.
    fn render(&self, count: usize, prompt: bool) -> Result<String> {
        let options = ChatOptions {
            add_generation_prompt: prompt,
            ..ChatOptions::default()
        };
        Ok(self.template.render(&self.values[..count], &options)?)
    }

    /// The segments, and whether nothing marks the end of the last answer.
    fn parts(&self, learned_from: usize, place: &Place) -> Result<(Vec<Segment>, bool)> {
        let mut parts = Vec::new();
        let mut cursor = 0;
        let mut open_end = false;
        for (i, message) in self.messages.iter().enumerate().skip(learned_from) {
            if message.role != "assistant" {
                continue;
            }
            let (from, to) = self.turn(i, cursor).transpose().unwrap_or_else(|| {
                Err(Error::Untraceable {
                    place: place.to_string(),
                    message: i,
                })
            })?;
            if from > cursor {
                parts.push(Segment::given(&self.whole[cursor..from]));
            }
            let said = &self.whole[from..to];
            open_end = said.trim_end().ends_with(message.content.trim());
            parts.push(Segment::learned(said));
            cursor = to;
        }
        // What follows the last answer is not learned.
        if cursor < self.whole.len() {
            parts.push(Segment::given(&self.whole[cursor..]));
            open_end = false;
        }
        Ok((parts, open_end))
    }

    /// Where message i stands in the whole, from `cursor` on; `None` if it cannot be found.
    fn turn(&self, i: usize, cursor: usize) -> Result<Option<(usize, usize)>> {
        let starts = |text: &str| self.whole.starts_with(text) && text.len() >= cursor;
        let before = match i {
            0 => String::new(), // many templates refuse to render nothing
            _ => self.render(i, true)?,
        };
        let from = if starts(&before) {
            before.len()
        } else {
            cursor
        };
        let up_to = self.render(i + 1, false)?;
        if starts(&before) && starts(&up_to) && up_to.len() > from {
            return Ok(Some((from, up_to.len())));
        }
        let words = self.messages[i].content.trim();
        let (Some(at), Some(alone)) = (self.whole[from..].find(words), up_to.rfind(words)) else {
            return Ok(None);
        };
        let end = from + at + words.len();
        let mark = common(&self.whole[end..], &up_to[alone + words.len()..]);
        let from = if starts(&before) { from } else { from + at };
        Ok(Some((from, end + mark)))
    }
}

/// Bytes of the longest common beginning.
fn common(a: &str, b: &str) -> usize {
    let alike = a.chars().zip(b.chars()).take_while(|(a, b)| a == b);
    alike.map(|(c, _)| c.len_utf8()).sum()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use infalign_data::Spot;

    use super::*;

    const CHATML: &str = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
    /// Thoughts only in the last turn, as Qwen 3's has it.
    const THINKING: &str = "{% for m in messages %}[{{ m.role }}]{% if m.role == 'assistant' and loop.last %}<think></think>{% endif %}{{ m.content }}<end>{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}";

    fn place() -> Place {
        Place {
            file: "a.jsonl".into(),
            spot: Spot::Line(3),
        }
    }

    fn chat(said: &[(&str, &str)]) -> Example {
        Example::Chat {
            messages: said
                .iter()
                .map(|(role, content)| Message {
                    role: (*role).to_owned(),
                    content: (*content).to_owned(),
                })
                .collect(),
        }
    }

    fn split(source: &str, said: &[(&str, &str)]) -> (Vec<(String, bool)>, SftOptions) {
        let template = ChatTemplate::new(source, Vec::new(), "t");
        let (parts, options) = segments(
            &chat(said),
            Some(&template),
            &SftOptions::default(),
            &place(),
        )
        .unwrap();
        let parts = parts.into_iter().map(|s| (s.text, s.learn)).collect();
        (parts, options)
    }

    #[test]
    fn only_the_assistants_words_and_their_end_are_learned() {
        let said = [
            ("user", "a"),
            ("assistant", "b"),
            ("user", "c"),
            ("assistant", "d"),
        ];
        let (parts, options) = split(CHATML, &said);
        let own = |t: &str, learn| (t.to_owned(), learn);
        assert_eq!(
            parts,
            [
                own(
                    "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n",
                    false
                ),
                own("b<|im_end|>\n", true),
                own(
                    "<|im_start|>user\nc<|im_end|>\n<|im_start|>assistant\n",
                    false
                ),
                own("d<|im_end|>\n", true),
            ]
        );
        assert!(!options.add_bos && !options.add_eos);
    }

    #[test]
    fn turns_that_are_rendered_otherwise_when_they_are_not_the_last_are_found_by_their_words() {
        let said = [
            ("user", "a"),
            ("assistant", "b"),
            ("user", "c"),
            ("assistant", "d"),
        ];
        let (parts, _) = split(THINKING, &said);
        let learned: Vec<&str> = parts.iter().filter(|p| p.1).map(|p| p.0.as_str()).collect();
        assert_eq!(learned, ["b<end>", "<think></think>d<end>"]);
        let all: String = parts.iter().map(|p| p.0.as_str()).collect();
        assert_eq!(
            all,
            "[user]a<end>[assistant]b<end>[user]c<end>[assistant]<think></think>d<end>"
        );
    }

    #[test]
    fn eos_is_added_where_the_template_marks_no_end() {
        let bare = "{% for m in messages %}{{ m.role }}: {{ m.content }}{% if not loop.last %}\n{% endif %}{% endfor %}";
        let (parts, options) = split(bare, &[("user", "a"), ("assistant", "b")]);
        assert!(options.add_eos && !options.add_bos);
        assert!(parts.last().unwrap().0.ends_with('b'));
    }

    #[test]
    fn a_template_that_hides_the_words_is_refused_by_place() {
        let silent = ChatTemplate::new("{{ messages | length }}", Vec::new(), "t");
        let example = chat(&[("user", "a"), ("assistant", "bcd")]);
        let refused =
            segments(&example, Some(&silent), &SftOptions::default(), &place()).unwrap_err();
        assert!(
            refused
                .to_string()
                .starts_with("a.jsonl, line 3: the chat template does not show message 1"),
            "{refused}"
        );
        let refused = segments(&example, None, &SftOptions::default(), &place()).unwrap_err();
        assert!(
            refused
                .to_string()
                .contains("no chat template; add chat_template.jinja"),
            "{refused}"
        );
    }

    #[test]
    fn texts_stay_as_they_are() {
        let example = Example::Completion {
            prompt: Turns::Text("p".to_owned()),
            completion: Turns::Text("c".to_owned()),
        };
        let (parts, options) = segments(&example, None, &SftOptions::default(), &place()).unwrap();
        assert_eq!(parts, [Segment::given("p"), Segment::learned("c")]);
        assert!(options.add_bos && options.add_eos);
    }
}
