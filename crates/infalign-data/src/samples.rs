//! Responses of a policy from a data file of any known format, gathered by prompt.

use std::path::Path;

use crate::{
    convert::{Groups, Needs},
    error::Result,
    formats::{RecordOptions, Records, Response, read_records},
    texts::{BadRows, Turns},
};

/// A prompt with a policy's responses.
#[derive(Debug, Clone, PartialEq)]
pub struct SampledPrompt {
    /// The file's name for the prompt; its 0-based number where it has none.
    pub id: String,
    /// Whether the file names it.
    pub named: bool,
    /// The prompt, where the file has it.
    pub prompt: Option<Turns>,
    /// The right answer, where the file has one.
    pub answer: Option<String>,
    /// At least one; texts are empty in files of rewards alone.
    pub responses: Vec<Response>,
}

/// The prompts of a file with their responses; ends after the first error.
///
/// A prompt comes as soon as its row is read where a row has all of its responses. Responses that have rows of their own are gathered first, and
/// their prompts come in the order of first appearance.
///
/// # Errors
/// Items: as [`Records`]; a row without responses or rewards, a prompt of which some responses have a reward and some do not.
pub struct Samples(Groups<Records>);

impl Samples {
    /// The rows left out so far.
    #[must_use]
    pub fn bad(&self) -> &BadRows {
        self.0.bad()
    }
}

impl Iterator for Samples {
    type Item = Result<SampledPrompt>;

    fn next(&mut self) -> Option<Self::Item> {
        let group = self.0.next()?;
        Some(group.map(|group| SampledPrompt {
            id: group.id,
            named: group.named,
            prompt: group.prompt,
            answer: group.answer,
            responses: group.responses,
        }))
    }
}

/// Opens a file of responses.
///
/// # Errors
/// As [`read_records`].
pub fn read_samples(path: impl AsRef<Path>, options: &RecordOptions) -> Result<Samples> {
    let needs = Needs {
        texts: false,
        rewards: false,
        sampled: false,
    };
    Ok(Samples(Groups::new(read_records(path, options)?, needs)))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    fn read(name: &str, text: &str) -> Result<Vec<SampledPrompt>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        read_samples(&path, &RecordOptions::default())?.collect()
    }

    #[test]
    fn rows_of_a_prompt_are_gathered() {
        let prompts = read(
            "alpaca.jsonl",
            "{\"instruction\": \"a?\", \"output\": \"1\", \"generator\": \"g\"}
{\"instruction\": \"b?\", \"output\": \"2\", \"generator\": \"g\"}
{\"instruction\": \"a?\", \"output\": \"3\", \"generator\": \"g\"}",
        )
        .unwrap();
        let texts: Vec<&str> = prompts[0].responses.iter().map(|r| &*r.text).collect();
        assert_eq!((prompts.len(), texts), (2, vec!["1", "3"]));
        assert!(!prompts[0].named && prompts[0].prompt == Some(Turns::Text("a?".to_owned())));
        let named = read("r.jsonl", "{\"prompt_id\": \"x\", \"rewards\": [1, 2]}").unwrap();
        assert!(named[0].named && named[0].prompt.is_none());
        assert_eq!(named[0].responses[1].reward, Some(2.0));
    }

    #[test]
    fn what_is_no_response_is_refused() {
        let error = read("p.jsonl", "{\"prompt\": \"a\", \"answer\": \"4\"}").unwrap_err();
        assert!(error.to_string().contains("responses"), "{error}");
        let mixed = read(
            "m.jsonl",
            "{\"prompt\": \"a\", \"response\": \"x\", \"reward\": 1}\n{\"prompt\": \"a\", \"response\": \"y\"}",
        );
        assert!(
            mixed
                .unwrap_err()
                .to_string()
                .contains("give it to all or to none")
        );
    }
}
