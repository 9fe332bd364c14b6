//! The prompts whose texts are known, to be found by text, by id, and as the beginning of a longer text.
//!
//! The beginning of a text: texts are kept in order, and the known text that stands last before the whole is either a beginning of it, or
//! shares a beginning with it that is longer than no known one. So the search goes on with what they share, and ends after as many steps as
//! known texts are nested.

use std::{collections::BTreeMap, sync::Arc};

use infalign_data::{Lookup, Turns};

use crate::prompt::prompt_key;

/// A prompt of a file: what `infalign_data::read_prompts` gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownPrompt {
    /// Names it.
    pub id: String,
    /// The prompt.
    pub prompt: Turns,
    /// The right answer, for the reward.
    pub answer: Option<String>,
}

/// A prompt as it is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) id: Arc<str>,
    pub(crate) turns: Arc<Turns>,
    pub(crate) answer: Option<Arc<str>>,
}

/// All that is known.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// By key; without a file of prompts the ids of the calibration stand for their texts, see `order`.
    by_key: BTreeMap<Arc<str>, Found>,
    key_of: BTreeMap<Arc<str>, Arc<str>>,
    /// The prompts of the calibration, in the order of their ids.
    order: Vec<u32>,
}

impl Known {
    /// From a file's prompts; of two prompts with one text or id the later is found.
    pub(crate) fn new(prompts: Vec<KnownPrompt>) -> Self {
        let mut known = Self::default();
        for prompt in prompts {
            let key: Arc<str> = prompt_key(&prompt.prompt).into();
            let id: Arc<str> = prompt.id.into();
            known.key_of.insert(Arc::clone(&id), Arc::clone(&key));
            let found = Found {
                id,
                turns: Arc::new(prompt.prompt),
                answer: prompt.answer.map(Into::into),
            };
            known.by_key.insert(key, found);
        }
        known
    }

    /// Without a file: the ids of a calibration are taken for texts.
    pub(crate) fn ids(table: &Lookup) -> Self {
        // A `Lookup` holds fewer prompts than 2³².
        let mut order: Vec<u32> = (0..table.prompts() as u32).collect();
        order.sort_unstable_by_key(|&prompt| table.id(prompt as usize));
        Self {
            order,
            ..Self::default()
        }
    }

    /// The prompt with this key.
    pub(crate) fn by_key(&self, key: &str) -> Option<&Found> {
        self.by_key.get(key)
    }

    /// The prompt with this id.
    pub(crate) fn by_id(&self, id: &str) -> Option<&Found> {
        self.by_key.get(self.key_of.get(id)?)
    }

    /// The longest known text with which `text` begins and after which `follows` stands.
    pub(crate) fn beginning<'a>(
        &self,
        table: Option<&Lookup>,
        text: &'a str,
        follows: &str,
    ) -> Option<&'a str> {
        let mut upper = text;
        loop {
            let before = self.last_up_to(table, upper)?;
            let shared = shared(before, upper);
            if shared < before.len() {
                upper = &text[..shared];
            } else if text[shared..].starts_with(follows) {
                return Some(&text[..shared]);
            } else {
                // A shorter one: everything that is a beginning of this one without its last character.
                upper = &text[..before.char_indices().next_back()?.0];
            }
        }
    }

    /// The last known text, in their order, that is not after `upper`.
    fn last_up_to<'s>(&'s self, table: Option<&'s Lookup>, upper: &str) -> Option<&'s str> {
        if let Some(table) = table.filter(|_| !self.order.is_empty()) {
            let id = |&prompt: &u32| table.id(prompt as usize);
            let after = self.order.partition_point(|p| id(p) <= Some(upper));
            return id(self.order.get(after.checked_sub(1)?)?);
        }
        let range = (std::ops::Bound::Unbounded, std::ops::Bound::Included(upper));
        let (key, _) = self.by_key.range::<str, _>(range).next_back()?;
        Some(key)
    }
}

/// Bytes that two texts have in common, up to the last whole character.
fn shared(a: &str, b: &str) -> usize {
    let bytes = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    b.floor_char_boundary(bytes)
}

#[cfg(test)]
pub(crate) mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use infalign_data::{Calibration, TableBuilder};
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn table(ids: &[&str]) -> Lookup {
        let mut builder = TableBuilder::new(["r"]).unwrap();
        for id in ids {
            builder
                .insert(id, None, &[&[1.0, 2.0, 3.0, 4.0]], &[])
                .unwrap();
        }
        let table = builder.finish().unwrap();
        Lookup::new(Calibration::new(&table, 0, "base", "").unwrap()).unwrap()
    }

    fn prompts(texts: &[&str]) -> Known {
        let one = |(i, text): (usize, &&str)| KnownPrompt {
            id: format!("id {i}"),
            prompt: Turns::Text((*text).to_owned()),
            answer: Some(format!("answer {i}")),
        };
        Known::new(texts.iter().enumerate().map(one).collect())
    }

    #[test]
    fn found_by_text_and_id() {
        let known = prompts(&["What?", "Why?"]);
        let why = known.by_key("Why?").unwrap();
        assert_eq!(
            (&*why.id, why.answer.as_deref()),
            ("id 1", Some("answer 1"))
        );
        assert_eq!(known.by_id("id 1"), Some(why));
        assert_eq!((known.by_key("id 1"), known.by_id("Why?")), (None, None));
    }

    #[test]
    fn what_follows_decides_between_nested_beginnings() {
        let known = prompts(&["a", "ab", "abc"]);
        assert_eq!(known.beginning(None, "abcd", ""), Some("abc"));
        assert_eq!(known.beginning(None, "abcd", "c"), Some("ab"));
        assert_eq!(known.beginning(None, "abcd", "bc"), Some("a"));
        assert_eq!(known.beginning(None, "abcd", "x"), None);
    }

    proptest! {
        #[test]
        fn the_longest_beginning_is_found(
            texts in prop::collection::btree_set("[aé€]{0,4}", 0..12),
            text in "[aé€]{0,6}",
            follows in "[aé]{0,1}",
        ) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).filter(|t| !t.is_empty()).collect();
            let fits = |t: &&&str| text.strip_prefix(**t).is_some_and(|rest| rest.starts_with(&follows));
            let want = texts.iter().filter(fits).max_by_key(|t| t.len()).copied();
            prop_assert_eq!(prompts(&texts).beginning(None, &text, &follows), want);
            if !texts.is_empty() {
                let table = table(&texts);
                let known = Known::ids(&table);
                prop_assert_eq!(known.beginning(Some(&table), &text, &follows), want);
            }
        }
    }
}
