//! `lexicon:FILE`: the sum of the valences of a response's words; `lexicon:FILE:mean`: that sum over the number of words.
//!
//! ```text
//! r(y) = Σ_w valence(w)        or        (1/words) Σ_w valence(w)
//! ```
//!
//! The file has a word, a tab and its valence on every line; further columns are not read, so that VADER's `vader_lexicon.txt` (Hutto and
//! Gilbert, ICWSM 2014) can be used as it is. VADER's rules for negations, capitals and exclamation marks are not applied.
//!
//! | case | outcome |
//! |---|---|
//! | word | what blanks separate, in lower case; looked up as it stands (`:)`), then without what is neither letter nor digit at its ends |
//! | an entry of several words | found where these stand in a row; the longest entry counts, and only it |
//! | a word twice in the file | the last line counts, as in VADER |
//! | no words, or none with a valence | 0 |
//! | blank line | skipped |
//! | no tab, a valence that is no finite number, an empty word, not UTF-8, no entries at all | an error with the line |

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use infalign_data::Fingerprint;

use crate::{Asked, Entry, Error, RawReward, Result, Reward, checked};

pub(crate) const ENTRY: Entry = Entry {
    name: "lexicon",
    syntax: "lexicon:FILE[:mean]",
    example: "lexicon:vader_lexicon.txt",
    summary: "sum (or mean) of the valences of the response's words, by a file of word<TAB>valence",
};

/// What valences are taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// Their sum.
    Sum,
    /// Their sum over the number of words.
    Mean,
}

/// Adds up the valences of words.
#[derive(Debug, Clone)]
pub struct LexiconReward {
    name: String,
    identity: String,
    over: Over,
    valences: BTreeMap<String, f64>,
    /// Words of the longest entry.
    longest: usize,
}

impl LexiconReward {
    /// Reads a file of valences.
    ///
    /// # Errors
    /// [`Error::Read`]; [`Error::Lexicon`] with the line.
    pub fn open(path: &Path, over: Over) -> Result<Self> {
        let option = if over == Over::Mean { ":mean" } else { "" };
        let name = format!("lexicon:{}{option}", path.display());
        let bytes = fs::read(path).map_err(|source| Error::Read {
            path: path.to_owned(),
            source,
        })?;
        let hash = Fingerprint::new().bytes("lexicon", &bytes).hex();
        let valences = parse(path, &bytes)?;
        let words = |entry: &String| entry.split(' ').count();
        Ok(Self {
            // Not where it lies: a file that was moved gives the same rewards.
            identity: format!("lexicon{option} {hash}"),
            longest: valences.keys().map(words).max().unwrap_or(1),
            name,
            over,
            valences,
        })
    }

    fn value(&self, text: &str) -> f64 {
        let text = text.to_lowercase();
        let words: Vec<&str> = text.split_whitespace().collect();
        let bare: Vec<&str> = words
            .iter()
            .map(|w| w.trim_matches(|c: char| !c.is_alphanumeric()))
            .collect();
        let (mut sum, mut at) = (0.0, 0);
        while at < words.len() {
            let most = self.longest.min(words.len() - at);
            let phrase = (2..=most).rev().find_map(|n| {
                let valence = self.valences.get(&bare[at..at + n].join(" "))?;
                Some((*valence, n))
            });
            let word = || {
                let valence = self.valences.get(words[at]);
                let valence = valence.or_else(|| self.valences.get(bare[at]));
                (valence.copied().unwrap_or(0.0), 1)
            };
            let (valence, taken) = phrase.unwrap_or_else(word);
            sum += valence;
            at += taken;
        }
        match self.over {
            Over::Sum => sum,
            Over::Mean => sum / words.len().max(1) as f64,
        }
    }
}

impl Reward for LexiconReward {
    fn name(&self) -> &str {
        &self.name
    }

    fn rewards(&mut self, asked: &[Asked<'_>]) -> Result<Vec<RawReward>> {
        let values: Vec<f32> = asked
            .iter()
            .map(|a| self.value(a.response) as f32)
            .collect();
        checked(&self.name, asked, &values)
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn another(&self) -> Option<Box<dyn Reward>> {
        Some(Box::new(self.clone()))
    }
}

fn parse(path: &Path, bytes: &[u8]) -> Result<BTreeMap<String, f64>> {
    let wrong = |line: Option<u64>, why: &str| Error::Lexicon {
        path: PathBuf::from(path),
        line,
        why: why.to_owned(),
    };
    const SHAPE: &str = "expected a word, a tab and a number";
    let mut valences = BTreeMap::new();
    for (number, line) in (1..).zip(bytes.split(|&b| b == b'\n')) {
        let at = Some(number);
        let line = std::str::from_utf8(line)
            .map_err(|_| wrong(at, "not UTF-8 text; save the file as UTF-8"))?;
        let line = line.strip_prefix('\u{feff}').unwrap_or(line);
        if line.trim().is_empty() {
            continue;
        }
        let mut columns = line.split('\t');
        let (Some(word), Some(valence)) = (columns.next(), columns.next()) else {
            return Err(wrong(at, &format!("no tab; {SHAPE}")));
        };
        let word: Vec<&str> = word.split_whitespace().collect();
        if word.is_empty() {
            return Err(wrong(at, &format!("no word; {SHAPE}")));
        }
        let found: Option<f64> = valence.trim().parse().ok().filter(|v: &f64| v.is_finite());
        let Some(found) = found else {
            let shown: String = valence.chars().take(40).collect();
            return Err(wrong(at, &format!("the valence is `{shown}`; {SHAPE}")));
        };
        valences.insert(word.join(" ").to_lowercase(), found);
    }
    if valences.is_empty() {
        return Err(wrong(None, &format!("no entries; {SHAPE} on every line")));
    }
    Ok(valences)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use crate::reward::testing::responses;

    fn file(content: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), content).unwrap();
        file
    }

    const FEW: &[u8] =
        b"good\t1.9\t0.9\t[2, 1]\r\nbad\t-2.5\n\n:)\t2.0\ngood\t2\nfed up\t-1.8\nfed\t0.5\n";

    #[test]
    fn words_phrases_and_smiles() {
        let file = file(FEW);
        let texts = [
            "",
            "Good!",
            "not BAD :)",
            "fed up",
            "fed, up!",
            "he fed it",
            "goods",
        ];
        let asked = responses(&texts);
        let values = |over| {
            let mut reward = LexiconReward::open(file.path(), over).unwrap();
            reward.rewards(&asked).unwrap()
        };
        let sums = [0.0, 2.0, -0.5, -1.8, -1.8, 0.5, 0.0];
        assert_eq!(values(Over::Sum), sums.map(RawReward));
        let words = [1.0, 1.0, 3.0, 2.0, 2.0, 3.0, 1.0];
        for ((found, sum), words) in values(Over::Mean).iter().zip(sums).zip(words) {
            // One division, rounded once, of a sum that is rounded once.
            assert!((found.0 - sum / words).abs() <= 2.0 * f32::EPSILON, "{sum}");
        }
    }

    #[test]
    fn the_identity_follows_the_file() {
        let identity = |content| {
            let file = file(content);
            let reward = LexiconReward::open(file.path(), Over::Sum).unwrap();
            reward.identity()
        };
        assert_eq!(identity(FEW), identity(FEW));
        assert_ne!(identity(b"a\t1"), identity(b"a\t2"));
    }

    #[test]
    fn hostile_files() {
        for (content, says) in [
            (
                &b""[..],
                ": no entries; expected a word, a tab and a number on every line",
            ),
            (
                b"\n \n",
                ": no entries; expected a word, a tab and a number on every line",
            ),
            (
                b"a\t1\nb 2\n",
                ", line 2: no tab; expected a word, a tab and a number",
            ),
            (
                b"a\t1\n\n\t2\n",
                ", line 3: no word; expected a word, a tab and a number",
            ),
            (
                b"a\tNaN",
                ", line 1: the valence is `NaN`; expected a word, a tab and a number",
            ),
            (
                b"a\t1e999",
                ", line 1: the valence is `1e999`; expected a word, a tab and a number",
            ),
            (
                b"a\t",
                ", line 1: the valence is ``; expected a word, a tab and a number",
            ),
            (
                b"a\t1\n\xff\xfe\t2",
                ", line 2: not UTF-8 text; save the file as UTF-8",
            ),
        ] {
            let file = file(content);
            let error = LexiconReward::open(file.path(), Over::Sum).unwrap_err();
            let told = error.to_string();
            assert_eq!(told, format!("{}{says}", file.path().display()));
        }
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().to_owned(), folder.path().join("none")] {
            let error = LexiconReward::open(&path, Over::Sum).unwrap_err();
            assert!(matches!(error, Error::Read { .. }), "{error}");
        }
    }
}
