//! What can go wrong with models and their files: each error names the file, the place, what was found, and the remedy.

use std::{fmt::Write as _, io, path::PathBuf};

pub use infalign_data::Kind;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// How many names a message lists before it only counts.
const LISTED: usize = 20;

/// What was wrong, in words that a user can act on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read.
    #[error("cannot read {}: {source}; {}", path.display(), read_remedy(source))]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file or folder could not be written; the previous one stands.
    #[error(transparent)]
    Write(#[from] infalign_data::Error),
    /// Text that is not UTF-8.
    #[error("{file}: not UTF-8 text; fetch the file again, or save it as UTF-8")]
    NotUtf8 {
        /// The file.
        file: String,
    },
    /// Text that is not the JSON it should be.
    #[error("{file}: malformed JSON: {what}; fetch the file again")]
    Json {
        /// The file.
        file: String,
        /// What the parser said, with line and column.
        what: String,
    },
    /// A field that the architecture needs is absent.
    #[error(
        "{file}: no field `{field}`, which {model_type} models need; add it, or fetch the file again"
    )]
    MissingField {
        /// The file.
        file: String,
        /// The field.
        field: String,
        /// The family that needs it.
        model_type: String,
    },
    /// A field holds what it cannot hold.
    #[error("{file}: `{field}` is {found}, expected {expected}")]
    BadField {
        /// The file.
        file: String,
        /// The field.
        field: String,
        /// What stands there, shortened.
        found: String,
        /// What may stand there.
        expected: String,
    },
    /// An architecture that this crate does not know.
    #[error("{file}: unknown {field} `{found}`; known are {known}")]
    UnknownArchitecture {
        /// The file.
        file: String,
        /// `architectures` or `model_type`.
        field: &'static str,
        /// What stands there.
        found: String,
        /// All that are known.
        known: String,
    },
    /// Two fields, or a field and a file, contradict each other.
    #[error("{file}: {what}")]
    Contradiction {
        /// The file.
        file: String,
        /// What contradicts what, and the remedy.
        what: String,
    },
    /// A folder without weights in a format that is read.
    #[error("{} holds neither model.safetensors nor model.safetensors.index.json{}", folder.display(),
        if *pickled { "; it has pytorch_model.bin: save it with `save_pretrained` of transformers, which writes safetensors" } else { "; check the path" })]
    NoWeights {
        /// The folder.
        folder: PathBuf,
        /// Whether there is a pickle in it.
        pickled: bool,
    },
    /// A safetensors file whose header cannot be trusted.
    #[error("{file}: damaged safetensors file: {what}; fetch or write it again")]
    Header {
        /// The file.
        file: String,
        /// What is wrong.
        what: String,
    },
    /// One tensor of a safetensors file that cannot be read.
    #[error("{file}, tensor `{tensor}`: {what}")]
    Tensor {
        /// The file.
        file: String,
        /// The tensor, as the file names it.
        tensor: String,
        /// What is wrong, and the remedy.
        what: String,
    },
    /// An index of shards that does not fit its shards.
    #[error("{file}: {what}; fetch the folder again")]
    Index {
        /// The index.
        file: String,
        /// What is wrong.
        what: String,
    },
    /// Tensors that config.json asks for are not in the file.
    #[error(
        "{file}: {} that config.json asks for missing: {}; is config.json of the same model?",
        count(names),
        list(names)
    )]
    MissingTensors {
        /// The weights file, or the index.
        file: String,
        /// All of them, as the hub names them.
        names: Vec<String>,
    },
    /// Tensors that config.json does not explain.
    #[error(
        "{file}: {} that config.json does not explain: {}; is config.json of the same model?",
        count(names),
        list(names)
    )]
    UnexpectedTensors {
        /// The weights file, or the index.
        file: String,
        /// All of them, as the file names them.
        names: Vec<String>,
    },
    /// A tensor whose shape is not the one that config.json implies.
    #[error(
        "{file}, tensor `{tensor}`: shape {found:?}, but config.json implies {expected:?}; is config.json of the same model?"
    )]
    Shape {
        /// The file.
        file: String,
        /// The tensor, as the file names it.
        tensor: String,
        /// Its shape there.
        found: Vec<usize>,
        /// The shape by the configuration.
        expected: Vec<usize>,
    },
    /// A tokenizer that cannot be used.
    #[error("{file}: {what}")]
    Tokenizer {
        /// The file.
        file: String,
        /// What is wrong, and the remedy.
        what: String,
    },
    /// A tokenizer that makes tokens which the model has no embedding for.
    #[error(
        "{file}: the tokenizer has {tokens} tokens, but the model of config.json embeds {vocab} (`vocab_size`); use the model's own tokenizer"
    )]
    Vocabulary {
        /// The tokenizer's file.
        file: String,
        /// One more than its largest token id.
        tokens: usize,
        /// The model's vocabulary.
        vocab: usize,
    },
    /// A chat template that fails, or there is none.
    #[error("{file}: {what}")]
    Template {
        /// The file.
        file: String,
        /// What is wrong, and the remedy.
        what: String,
    },
    /// A folder that would be replaced holds what a model folder does not.
    #[error("{} exists and holds `{entry}`, which infalign did not write; name another folder, or empty it", path.display())]
    NotReplaceable {
        /// The folder.
        path: PathBuf,
        /// One thing in it.
        entry: String,
    },
    /// A device name that is none.
    #[error("unknown device `{name}`; devices are cpu, wgpu[:N], cuda[:N], metal, rocm[:N]")]
    UnknownDevice {
        /// What was typed.
        name: String,
    },
    /// A device that this build does not know.
    #[error("this build has no {name} support; install one that has: {install}")]
    DeviceNotBuilt {
        /// The device.
        name: String,
        /// The command.
        install: String,
    },
    /// A device that this machine does not have.
    #[error(
        "no device {name}: this machine has {found} of its kind; `infalign devices` lists them"
    )]
    NoSuchDevice {
        /// The device.
        name: String,
        /// How many there are.
        found: usize,
    },
    /// Numbers that a device does not compute in.
    #[error("{device} does not compute in {precision}; it does in {}", supported.join(", "))]
    PrecisionUnsupported {
        /// What was asked for.
        precision: &'static str,
        /// The device.
        device: String,
        /// What it has.
        supported: Vec<&'static str>,
    },
    /// A device that fails.
    #[error("device {name}: {why}")]
    Device {
        /// The device.
        name: String,
        /// What it said.
        why: String,
    },
    /// A setting out of its range.
    #[error("`{field}` is {found}, expected {expected}")]
    Setting {
        /// The setting.
        field: String,
        /// Its value.
        found: String,
        /// What it may be.
        expected: String,
    },
    /// A sequence without tokens, or no sequence at all.
    #[error("sequence {sequence} is empty; give it at least one token")]
    EmptySequence {
        /// Its number in the batch, from 0.
        sequence: usize,
    },
    /// A sequence that the model has no positions for.
    #[error(
        "sequence {sequence} has {tokens} tokens, but the model's context is {context} (`max_position_embeddings`); shorten it"
    )]
    TooLong {
        /// Its number in the batch, from 0.
        sequence: usize,
        /// Its length.
        tokens: usize,
        /// The longest that fits.
        context: usize,
    },
    /// A token that the model has no embedding for.
    #[error(
        "sequence {sequence}: token {token} is beyond the model's vocabulary of {vocab}; use the model's own tokenizer"
    )]
    UnknownToken {
        /// Its number in the batch, from 0.
        sequence: usize,
        /// The token.
        token: u32,
        /// The vocabulary.
        vocab: usize,
    },
    /// A model whose head does something else.
    #[error("the model has {found}, but this needs {needed}")]
    WrongHead {
        /// What it has.
        found: crate::spec::Head,
        /// What is needed.
        needed: &'static str,
    },
    /// A setting, prompt or distribution that cannot be sampled.
    #[error(transparent)]
    Sampling(#[from] crate::sample::Error),
    /// Training left the numbers.
    #[error(
        "training diverged at step {step}: {what}; lower the learning rate, or clip the gradient"
    )]
    Diverged {
        /// The update that was not made.
        step: u64,
        /// What was seen.
        what: String,
    },
    /// A contradiction inside infalign.
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
            Self::Read { source, .. } => match source.kind() {
                io::ErrorKind::NotFound
                | io::ErrorKind::IsADirectory
                | io::ErrorKind::NotADirectory
                | io::ErrorKind::InvalidFilename => Kind::User,
                _ => Kind::Environment,
            },
            Self::Write(error) => error.kind(),
            Self::Device { .. } => Kind::Environment,
            Self::Sampling(error) => error.kind(),
            Self::Bug { .. } => Kind::Bug,
            _ => Kind::User,
        }
    }

    /// The same error for a batch that begins at sequence `first` of a longer list.
    pub(crate) fn numbered_from(mut self, first: usize) -> Self {
        if let Self::EmptySequence { sequence }
        | Self::TooLong { sequence, .. }
        | Self::UnknownToken { sequence, .. } = &mut self
        {
            *sequence += first;
        }
        self
    }

    pub(crate) fn read(path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::Read {
            path: path.into(),
            source,
        }
    }

    pub(crate) fn write(path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::Write(infalign_data::Error::Write {
            path: path.into(),
            source,
        })
    }

    pub(crate) fn bug(what: impl Into<String>) -> Self {
        Self::Bug { what: what.into() }
    }
}

fn count(names: &[String]) -> String {
    match names.len() {
        1 => "1 tensor".to_owned(),
        n => format!("{n} tensors"),
    }
}

fn list(names: &[String]) -> String {
    let mut text = String::new();
    for (i, name) in names.iter().take(LISTED).enumerate() {
        let comma = if i == 0 { "" } else { ", " };
        let _ = write!(text, "{comma}`{name}`"); // writing to a string cannot fail
    }
    if names.len() > LISTED {
        let _ = write!(text, " and {} more", names.len() - LISTED);
    }
    text
}

fn read_remedy(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::NotFound => "check the path",
        io::ErrorKind::PermissionDenied => "ask for read permission",
        io::ErrorKind::NotADirectory => "name the model's folder, not a file",
        io::ErrorKind::UnexpectedEof => "the file was cut short while it was read: fetch it again",
        _ => "check the disk and try again",
    }
}
