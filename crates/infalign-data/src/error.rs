//! What can go wrong with files: each error names the file, the place, what was found, and the remedy.

use std::{fmt, io, path::PathBuf, sync::Arc};

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Whose move it is after an error; a program turns it into its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The user's input is wrong: exit code 2.
    User,
    /// The machine refused (full disk, permissions, a lock held elsewhere): exit code 1.
    Environment,
    /// A mistake of infalign: exit code 1, please report.
    Bug,
}

/// A spot inside a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file, as the user named it.
    pub file: Arc<str>,
    /// Where in it.
    pub spot: Spot,
}

/// A 1-based position: lines for text (as an editor shows them), rows for Parquet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spot {
    /// Line of a text file.
    Line(u64),
    /// Row of a Parquet file, or prompt of a table in memory.
    Row(u64),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.spot {
            Spot::Line(n) => write!(f, "{}, line {n}", self.file),
            Spot::Row(n) => write!(f, "{}, row {n}", self.file),
        }
    }
}

/// What was wrong, in words that a user can act on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be opened or read.
    #[error("cannot read {}: {source}; {}", path.display(), read_remedy(source))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file could not be written.
    #[error("cannot write {}: {source}; {}", path.display(), write_remedy(source))]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Neither the name nor the first bytes tell the format.
    #[error(
        "{file}: unknown format; name it .jsonl, .json, .csv, .tsv or .parquet (text also .gz or .zst)"
    )]
    UnknownFormat {
        /// The file.
        file: String,
    },
    /// A file that was to hold a judge's verdicts.
    #[error(
        "{file}: the rows are {format}, not verdicts; give AlpacaEval's annotations (alpaca-annotations) or Arena-Hard's judgments (arena-judgments)"
    )]
    NoVerdicts {
        /// The file.
        file: String,
        /// What they are.
        format: &'static str,
    },
    /// A file holds no rows.
    #[error("{file} holds no rows; expected at least one prompt with its rewards")]
    Empty {
        /// The file.
        file: String,
    },
    /// A file without a single text of the kind asked for.
    #[error("{file} holds no {what}; give at least one")]
    NoTexts {
        /// The file.
        file: String,
        /// "documents", "prompts", …
        what: &'static str,
    },
    /// A file that is neither plain text nor JSON.
    #[error(
        "{file}: texts are read from .txt, .jsonl or .json (also .gz or .zst); write the table as JSON Lines"
    )]
    NotText {
        /// The file.
        file: String,
    },
    /// Plain text where rows are needed.
    #[error("{file}: {what} are read from JSON rows; name the file .jsonl or .json")]
    NotRows {
        /// The file.
        file: String,
        /// What was to be read.
        what: &'static str,
    },
    /// A column that was asked for, or the usual one, is not there.
    #[error("{file}: no {role} column {}{}; columns found: {}; {}",
        quoted(wanted), nearest.as_ref().map(|n| format!(" (did you mean `{n}`?)")).unwrap_or_default(),
        if found.is_empty() { "none".to_owned() } else { quoted(found) }, role.remedy())]
    NoSuchColumn {
        /// The file.
        file: String,
        /// What the column is for.
        role: Role,
        /// The name asked for, or the usual names.
        wanted: Vec<String>,
        /// The columns of the file.
        found: Vec<String>,
        /// The nearest spelling among them.
        nearest: Option<String>,
    },
    /// A column that makes two columns ambiguous: named twice in the file or in the options.
    #[error("{file}: column `{column}` appears twice; give every column its own name")]
    RepeatedColumn {
        /// The file.
        file: String,
        /// The column.
        column: String,
    },
    /// A value of the wrong type.
    #[error("{place}, column `{column}`: found {found}, expected {expected}")]
    WrongType {
        /// Where.
        place: Place,
        /// The column.
        column: String,
        /// What stands there.
        found: String,
        /// What should.
        expected: &'static str,
    },
    /// A value is missing or null.
    #[error("{place}: no value for `{column}`; give one, or drop the row")]
    MissingField {
        /// Where.
        place: Place,
        /// The column.
        column: String,
    },
    /// A prompt without rewards.
    #[error(
        "{place}, column `{column}`: the list is empty; give at least one reward, or drop the prompt"
    )]
    EmptyList {
        /// Where.
        place: Place,
        /// The column.
        column: String,
    },
    /// A reward that is NaN, infinite, null, or beyond single precision.
    #[error("{place}, column `{column}`{}: the reward is {value}, expected a finite number below 3.4e38; drop the response or score it again",
        response.map(|r| format!(", response {r}")).unwrap_or_default())]
    NotFinite {
        /// Where.
        place: Place,
        /// The column.
        column: String,
        /// The 1-based position in the list, for a list.
        response: Option<usize>,
        /// What stands there.
        value: String,
    },
    /// Lists of one prompt differ in length.
    #[error(
        "{place}: `{column}` holds {length} values but `{other}` holds {other_length}; every list of a prompt needs one value per response"
    )]
    UnequalLengths {
        /// Where.
        place: Place,
        /// The column.
        column: String,
        /// Its length.
        length: usize,
        /// The column it is compared with.
        other: String,
        /// That one's length.
        other_length: usize,
    },
    /// One prompt in two rows of a wide table.
    #[error(
        "{place}: prompt `{id}` was already given in {first}; merge the two lists, or give each row its own `prompt_id`"
    )]
    DuplicatePrompt {
        /// Where.
        place: Place,
        /// The prompt id, shortened.
        id: String,
        /// Where it stood first.
        first: Place,
    },
    /// Text that is not UTF-8.
    #[error("{place}: not UTF-8 text; save the file as UTF-8 (iconv -t UTF-8)")]
    NotUtf8 {
        /// Where.
        place: Place,
    },
    /// A byte of a text file that is not UTF-8.
    #[error(
        "{place}: byte 0x{byte:02x} at offset {offset} of the text is not UTF-8; save the file as UTF-8 (iconv -t UTF-8)"
    )]
    InvalidByte {
        /// Where.
        place: Place,
        /// The first byte that does not belong.
        byte: u8,
        /// Its 0-based offset, in the text behind any compression.
        offset: u64,
    },
    /// A text that must not be empty.
    #[error("{place}: `{column}` is empty; give a text, or drop the row")]
    EmptyText {
        /// Where.
        place: Place,
        /// The column.
        column: String,
    },
    /// A row of none of the forms that are read.
    #[error("{place}: a row with the columns {}; expected {expected}", if found.is_empty() { "none".to_owned() } else { quoted(found) })]
    UnknownRow {
        /// Where.
        place: Place,
        /// The columns of the row.
        found: Vec<String>,
        /// The forms that are read.
        expected: &'static str,
    },
    /// A row that has a known form and cannot be used.
    #[error("{place}, column `{column}`: {what}")]
    UnusableRow {
        /// Where.
        place: Place,
        /// The column.
        column: String,
        /// Why, and the remedy.
        what: &'static str,
    },
    /// A compressed file that ends early or is corrupt.
    #[error(
        "{file}: the compressed data are damaged or cut short ({what}); fetch or write the file again"
    )]
    Damaged {
        /// The file.
        file: String,
        /// What the decoder said.
        what: String,
    },
    /// Text that is not the format it should be.
    #[error("{place}: malformed {format}: {what}")]
    Malformed {
        /// Where.
        place: Place,
        /// "JSON" or "CSV".
        format: &'static str,
        /// What the parser said, and the remedy.
        what: String,
    },
    /// A CSV row with too many or too few fields.
    #[error(
        "{place}: {found} fields, expected {expected} as in the header; quote fields that hold the delimiter"
    )]
    FieldCount {
        /// Where.
        place: Place,
        /// Fields of the row.
        found: u64,
        /// Fields of the header.
        expected: u64,
    },
    /// A Parquet file that cannot be decoded.
    #[error(
        "{file}: not a readable Parquet file ({what}); write it again with snappy, gzip, zstd or no compression"
    )]
    Parquet {
        /// The file.
        file: String,
        /// What the decoder said.
        what: String,
    },
    /// A file that should be a mapped calibration.
    #[error("{file}: not a mapped calibration: {what}; write it again from calibration.parquet")]
    Mapped {
        /// The file.
        file: String,
        /// What does not fit.
        what: String,
    },
    /// A Parquet file that is not a shard of the kind asked for.
    #[error(
        "{file}: not a shard of {kind}: {what}; make the shard again, or bring the file into this form with `infalign data convert`"
    )]
    Shard {
        /// The file.
        file: String,
        /// "rollouts" or "rewards".
        kind: &'static str,
        /// What is missing or of another type.
        what: String,
    },
    /// The numbers of tokens per response do not add up to the tokens that are there.
    #[error(
        "{place}: the responses have {announced} tokens together, but `token_ids` holds {held}; every response needs its own number of tokens in `tokens`"
    )]
    TokenCount {
        /// Where.
        place: Place,
        /// The sum of `tokens`.
        announced: i64,
        /// The length of `token_ids`.
        held: usize,
    },
    /// A data file of no format that is known.
    #[error(
        "{file}: its rows are of no known format{}; name the format, or bring the rows into one of these:{}",
        if found.is_empty() { String::new() } else { format!(" (columns: {})", quoted(found)) },
        formats()
    )]
    UnknownRecords {
        /// The file.
        file: String,
        /// The columns of its first row.
        found: Vec<String>,
    },
    /// A format that does not exist.
    #[error("there is no format `{name}`; the formats are:{}", formats())]
    NoSuchFormat {
        /// As it was given.
        name: String,
    },
    /// Data that do not hold what they shall be converted to.
    #[error("{file}: `{format}` data hold no {to}; they {gives}")]
    CannotConvert {
        /// The file.
        file: String,
        /// Its format.
        format: &'static str,
        /// What was asked for.
        to: &'static str,
        /// What they can become.
        gives: String,
    },
    /// A log-probability that is NaN or infinite.
    #[error(
        "{place}, column `{column}`, response {response}: the log-probability is {value}, expected a finite number; sample the response again"
    )]
    NotALogProbability {
        /// Where.
        place: Place,
        /// The column.
        column: String,
        /// The 1-based position in the list.
        response: usize,
        /// What stands there.
        value: f32,
    },
    /// A table that a file could not hold, or hold unambiguously.
    #[error("{what}")]
    Table {
        /// What is wrong with it and what to do.
        what: String,
    },
    /// A run's name that is not a plain file name.
    #[error(
        "--name `{name}` cannot name a directory: use letters, digits, `-`, `_` and `.`, not starting with `.`"
    )]
    RunName {
        /// The name.
        name: String,
    },
    /// Another process works in the run directory.
    #[error("{} is in use by another infalign process; wait for it, or use another --name", path.display())]
    Locked {
        /// The run directory.
        path: PathBuf,
    },
    /// The directory holds something that is not a run.
    #[error("{} exists and is not a run directory of infalign (it holds `{entry}` but no manifest.json); use another --name", path.display())]
    NotARun {
        /// The directory.
        path: PathBuf,
        /// One thing in it.
        entry: String,
    },
    /// The run was made with another configuration.
    #[error("{} was made with another configuration (differs in: {}); use another --name or --overwrite", path.display(), keys.join(", "))]
    ConfigDiffers {
        /// The run directory.
        path: PathBuf,
        /// The keys that differ, with both values.
        keys: Vec<String>,
    },
    /// Starting afresh would remove a file that the run reads.
    #[error("{} lies inside {}, which --overwrite empties; move it out, or use another --name", input.display(), path.display())]
    InputInRun {
        /// The input file.
        input: PathBuf,
        /// The run directory.
        path: PathBuf,
    },
    /// The manifest or the stored configuration was edited or damaged.
    #[error("{} cannot be understood ({what}); use another --name or --overwrite", path.display())]
    DamagedRun {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        what: String,
    },
    /// A stage did not write what it had declared, or infalign contradicts itself otherwise.
    #[error("{what}; this is a mistake of infalign, please report it")]
    Bug {
        /// What happened.
        what: String,
    },
}

impl Error {
    /// Whose move it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Read { source, .. } | Self::Write { source, .. } => match source.kind() {
                io::ErrorKind::NotFound
                | io::ErrorKind::AlreadyExists
                | io::ErrorKind::IsADirectory
                | io::ErrorKind::NotADirectory
                | io::ErrorKind::InvalidFilename => Kind::User,
                _ => Kind::Environment,
            },
            Self::Locked { .. } => Kind::Environment,
            Self::Bug { .. } => Kind::Bug,
            _ => Kind::User,
        }
    }

    pub(crate) fn read(path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::Read {
            path: path.into(),
            source,
        }
    }

    pub(crate) fn write(path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::Write {
            path: path.into(),
            source,
        }
    }
}

/// What a column is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Names the prompt.
    Prompt,
    /// The training reward.
    Reward,
    /// A further reward that judges.
    Gold,
    /// A text to learn from.
    Text,
    /// A column that is to be taken for a field.
    Field,
}

impl Role {
    const fn remedy(self) -> &'static str {
        match self {
            Self::Prompt => "name it with --prompt-column",
            Self::Reward => "name it with --reward-column",
            Self::Gold => "name it with --gold-column",
            Self::Text => "name it with --text-column",
            Self::Field => "check the name in --rename COLUMN=FIELD",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prompt => "prompt",
            Self::Reward => "reward",
            Self::Gold => "gold reward",
            Self::Text => "text",
            Self::Field => "such",
        })
    }
}

fn formats() -> String {
    let line = |f: &crate::Format| format!("\n  {:<15} {}", f.name, f.summary);
    crate::FORMATS.iter().map(line).collect()
}

fn quoted(names: &[String]) -> String {
    names
        .iter()
        .map(|n| format!("`{n}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn read_remedy(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::NotFound => "check the path",
        io::ErrorKind::IsADirectory => "name a file inside it",
        io::ErrorKind::PermissionDenied => "ask for read permission",
        _ => "check the disk and try again",
    }
}

fn write_remedy(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => "check that its folder exists",
        io::ErrorKind::IsADirectory => "name a file, not a folder",
        io::ErrorKind::AlreadyExists => "a file of that name is in the way",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "ask for write permission or choose another place"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some space and start the same command again: it goes on where it was"
        }
        _ => "check the disk and start the same command again",
    }
}
