//! The three tables of the world: words with their valences, nouns with their kinds, guests with their tempers.

use std::sync::LazyLock;

/// What a noun is; a word is said of nouns of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Soup, bread.
    Food,
    /// Ale, wine.
    Drink,
    /// Bed, bath.
    Room,
    /// Cook, maid.
    Person,
    /// Spoon, mirror.
    Thing,
}

/// A word that praises or blames.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Word {
    /// What it is said of.
    pub kind: Kind,
    /// The word.
    pub text: &'static str,
    /// How good it is, in hundredths, −100 to 100.
    pub valence: i32,
}

/// Something that reviews speak of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Noun {
    /// The word.
    pub text: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// Whether prompts ask about it.
    pub subject: bool,
}

/// Who writes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Guest {
    /// Two words: `furious duke`.
    pub name: &'static str,
    /// What the gold reward of this guest's lines is multiplied by.
    pub temper: f64,
    /// Mean of the mood in which the guest writes.
    pub mood: f64,
}

/// The tables.
#[derive(Debug, Clone, PartialEq)]
pub struct World {
    /// By kind, from the best to the worst.
    pub words: Vec<Word>,
    /// By kind.
    pub nouns: Vec<Noun>,
    /// From the calmest to the most furious.
    pub guests: Vec<Guest>,
}

/// The world of the files in `world/`.
pub static WORLD: LazyLock<World> = LazyLock::new(|| {
    World::read(
        include_str!("../world/words.tsv"),
        include_str!("../world/nouns.tsv"),
        include_str!("../world/guests.tsv"),
    )
    .expect("the crate's own tables are well formed: a test reads them")
});

impl World {
    fn read(words: &'static str, nouns: &'static str, guests: &'static str) -> Option<Self> {
        let word = |[kind, text, valence]: [&'static str; 3]| {
            Some(Word {
                kind: Kind::of(kind)?,
                text,
                valence: hundredths(valence)?,
            })
        };
        let noun = |[text, kind, subject]: [&'static str; 3]| {
            Some(Noun {
                text,
                kind: Kind::of(kind)?,
                subject: subject == "yes",
            })
        };
        let guest = |[name, temper, mood]: [&'static str; 3]| {
            Some(Guest {
                name,
                temper: temper.parse().ok()?,
                mood: mood.parse().ok()?,
            })
        };
        Some(Self {
            words: rows(words, word)?,
            nouns: rows(nouns, noun)?,
            guests: rows(guests, guest)?,
        })
    }

    /// What prompts ask about.
    pub fn subjects(&self) -> impl Iterator<Item = &Noun> {
        self.nouns.iter().filter(|noun| noun.subject)
    }

    /// A noun by its text.
    #[must_use]
    pub fn noun(&self, text: &str) -> Option<&Noun> {
        self.nouns.iter().find(|noun| noun.text == text)
    }

    /// A word by what it is said of and its text.
    #[must_use]
    pub fn word(&self, kind: Kind, text: &str) -> Option<&Word> {
        self.of_kind(kind).find(|word| word.text == text)
    }

    /// The words of one kind.
    pub fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Word> {
        self.words.iter().filter(move |word| word.kind == kind)
    }

    /// A guest by name.
    #[must_use]
    pub fn guest(&self, name: &str) -> Option<&Guest> {
        self.guests.iter().find(|guest| guest.name == name)
    }
}

impl Kind {
    fn of(text: &str) -> Option<Self> {
        match text {
            "food" => Some(Self::Food),
            "drink" => Some(Self::Drink),
            "room" => Some(Self::Room),
            "person" => Some(Self::Person),
            "thing" => Some(Self::Thing),
            _ => None,
        }
    }
}

/// The rows below the head of a table.
fn rows<T, const N: usize>(
    table: &'static str,
    row: impl Fn([&'static str; N]) -> Option<T>,
) -> Option<Vec<T>> {
    let cells = |line: &'static str| {
        let cells: Vec<_> = line.split('\t').collect();
        row(cells.try_into().ok()?)
    };
    table.lines().skip(1).map(cells).collect()
}

/// A decimal as a whole number of hundredths.
fn hundredths(text: &str) -> Option<i32> {
    let value: f64 = text.parse().ok()?;
    Some((value * 100.0).round() as i32)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn tables_are_whole() {
        assert_eq!(WORLD.words.len(), 5 * 18);
        assert_eq!(WORLD.nouns.len(), 5 * 4);
        assert_eq!(WORLD.guests.len(), 16);
        assert_eq!(WORLD.subjects().count(), 10);
        for kind in ["food", "drink", "room", "person", "thing"] {
            let kind = Kind::of(kind).expect("a kind");
            let texts: BTreeSet<_> = WORLD.of_kind(kind).map(|word| word.text).collect();
            assert_eq!(texts.len(), 18);
            let values: BTreeSet<_> = WORLD.of_kind(kind).map(|word| word.valence).collect();
            assert_eq!(values.len(), 18, "valences of {kind:?} are all different");
        }
    }

    #[test]
    fn a_table_with_a_broken_row_is_refused() {
        assert!(World::read("head\nfood\tdivine", "head", "head").is_none());
        assert!(World::read("head\nfoot\tdivine\t0.97", "head", "head").is_none());
        let read = World::read("head\nfood\tdivine\t0.97", "head", "head").expect("whole");
        assert_eq!(read.words[0].valence, 97);
    }
}
