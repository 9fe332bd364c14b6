//! The reward table: prompts, each with its rewards by one or more reward models, in flat arrays.

mod builder;
mod text;

pub use builder::TableBuilder;
pub(crate) use builder::{Cells, finite, shortened};
pub(crate) use text::Texts;

/// Prompts with K rewards each in one or more named reward columns, in order of appearance.
///
/// Rewards are f32, finite, at least one per prompt; every column of a prompt has the same K, K may
/// differ between prompts. Texts are kept when [`crate::ReadOptions::texts`] asked for them.
///
/// # Shapes
/// P prompts and R = Σ K responses cost 8(P + 1) bytes + the ids + 4R bytes per column.
#[derive(Debug, Clone, PartialEq)]
pub struct RewardTable {
    columns: Vec<String>,
    ids: Texts,               // (P)
    prompts: Option<Texts>,   // (P)
    ends: Vec<usize>,         // (P + 1): prompt i owns responses ends[i]..ends[i + 1]
    values: Vec<Vec<f32>>,    // (columns, R)
    responses: Option<Texts>, // (R)
}

/// How many rewards the prompts hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResponseCounts {
    /// Fewest.
    pub min: usize,
    /// Median, the lower of the two middle ones for an even number of prompts.
    pub median: usize,
    /// Most.
    pub max: usize,
}

impl RewardTable {
    /// Number of prompts, at least 1.
    #[must_use]
    pub fn prompts(&self) -> usize {
        self.ends.len() - 1
    }

    /// Number of responses over all prompts.
    #[must_use]
    pub fn responses(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Names of the reward columns, the training reward first.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The id of a prompt.
    ///
    /// # Panics
    /// Like indexing: when `prompt` is not below [`RewardTable::prompts`]. So do the other getters.
    #[must_use]
    pub fn id(&self, prompt: usize) -> &str {
        self.ids.get(prompt)
    }

    /// The text of a prompt, when kept.
    #[must_use]
    pub fn prompt_text(&self, prompt: usize) -> Option<&str> {
        self.prompts.as_ref().map(|texts| texts.get(prompt))
    }

    /// The K rewards of a prompt by a column (its index in [`RewardTable::columns`]), in file order.
    #[must_use]
    pub fn rewards(&self, column: usize, prompt: usize) -> &[f32] {
        &self.values[column][self.ends[prompt]..self.ends[prompt + 1]]
    }

    /// The K responses of a prompt, when kept.
    pub fn response_texts(&self, prompt: usize) -> Option<impl ExactSizeIterator<Item = &str>> {
        let texts = self.responses.as_ref()?;
        Some((self.ends[prompt]..self.ends[prompt + 1]).map(|i| texts.get(i)))
    }

    /// Ids, where prompts end, and the rewards of each column.
    pub(crate) fn into_parts(self) -> (Texts, Vec<usize>, Vec<Vec<f32>>) {
        (self.ids, self.ends, self.values)
    }

    /// Rewards per prompt: fewest, median, most.
    #[must_use]
    pub fn counts(&self) -> ResponseCounts {
        let mut k: Vec<usize> = self.ends.windows(2).map(|w| w[1] - w[0]).collect();
        k.sort_unstable();
        ResponseCounts {
            min: k[0],
            median: k[(k.len() - 1) / 2],
            max: k[k.len() - 1],
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    #[test]
    fn getters_return_what_was_inserted() {
        let mut builder = TableBuilder::new(["proxy", "gold"]).unwrap();
        builder
            .insert("a", Some("Hi?"), &[&[1.0, 2.0], &[3.0, 4.0]], &["x", "y"])
            .unwrap();
        builder
            .insert("b", Some("Ho?"), &[&[5.0], &[6.0]], &["z"])
            .unwrap();
        let table = builder.finish().unwrap();
        assert_eq!((table.prompts(), table.responses()), (2, 3));
        assert_eq!(table.columns(), ["proxy", "gold"]);
        assert_eq!((table.id(0), table.id(1)), ("a", "b"));
        assert_eq!(table.prompt_text(1), Some("Ho?"));
        assert_eq!(table.rewards(1, 0), [3.0, 4.0]);
        assert_eq!(table.rewards(0, 1), [5.0]);
        assert_eq!(
            table.response_texts(0).unwrap().collect::<Vec<_>>(),
            ["x", "y"]
        );
        assert_eq!(
            table.counts(),
            ResponseCounts {
                min: 1,
                median: 1,
                max: 2
            }
        );
    }
}
