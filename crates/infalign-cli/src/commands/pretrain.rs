//! `infalign pretrain`: texts to packed rows, rows to a language model.

use std::path::{Path, PathBuf};

use infalign_data::{Document, DocumentOptions, Fingerprint, read_documents};
use infalign_lm::{Device, Folder, Spec, TokenIds, Tokenizer, train_bpe};
use infalign_train::{
    Base, HubTokenizer, Lora, PackOptions, PackedRows, Policy, TokenCache, build_caches,
    supervised::{Data, Rows},
};
use serde::Serialize;
use serde_json::{Map, Value};

use super::training::{self, Config};
use crate::{
    args::Pretrain,
    error::{Error, Result},
    machine, print,
};

const RATE: f64 = 3e-4;
const LORA_RATE: f64 = 2e-4;
/// Bytes of text that a tokenizer is trained on.
const WORDS: usize = 256 << 20;
/// The trained tokenizer's folder.
const TOKENIZER: &str = "tokenizer";

/// What only this command is told.
#[derive(Debug, Serialize)]
struct Own<'a> {
    config: Option<&'a Path>,
    model: Option<&'a Path>,
    tokenizer: Option<&'a Path>,
    train_tokenizer: Option<usize>,
    data: &'a [PathBuf],
    text_column: &'a str,
}

/// A model to begin with, and its words.
struct Start {
    policy: Policy,
    tokenizer: Tokenizer,
    tokens: TokenIds,
}

pub(super) fn run(args: &Pretrain) -> Result<()> {
    let device = machine::open(&args.training.machine)?;
    let mut inputs = args.data.clone();
    match (&args.model, &args.config) {
        (Some(model), _) => {
            Folder::open(model)?;
            inputs.extend(training::model_files(model)?);
        }
        (None, config) => inputs.extend(config.clone()),
    }
    if let Some(folder) = &args.tokenizer {
        Tokenizer::open(folder)?;
        inputs.push(folder.join("tokenizer.json"));
    }
    if let Some(config) = &args.config {
        object(config)?;
    }
    let own = Own {
        config: args.config.as_deref(),
        model: args.model.as_deref(),
        tokenizer: args.tokenizer.as_deref(),
        train_tokenizer: args.train_tokenizer,
        data: &args.data,
        text_column: &args.text_column,
    };
    let rate = if args.training.lora_r.is_some() {
        LORA_RATE
    } else {
        RATE
    };
    let config = Config::new("pretrain", own, &args.training, rate, &inputs)?;
    config.run(&args.training, |dir, interrupt| {
        let start = start(args, config.lora(), device, dir.path())?;
        let context = training::context(&args.training, start.policy.spec().max_positions)?;
        let data = rows(args, &start, context, dir.path())?;
        let words = (&start.tokenizer, &start.tokens);
        config.learn(dir, interrupt, &args.training, &start.policy, &data, words)
    })
}

fn start(args: &Pretrain, lora: Option<Lora>, device: Device, out: &Path) -> Result<Start> {
    let seed = args.training.seed;
    if let Some(model) = &args.model {
        let folder = Folder::open(model)?;
        return Ok(Start {
            tokenizer: folder.tokenizer()?.clone(),
            tokens: folder.tokens().clone(),
            policy: training::from_folder(&folder, lora, seed, device)?,
        });
    }
    let tokenizer = match (&args.tokenizer, args.train_tokenizer) {
        (Some(folder), _) => Tokenizer::open(folder)?,
        (None, size) => trained(args, size.unwrap_or_default(), &out.join(TOKENIZER))?,
    };
    let file = args.config.clone().unwrap_or_default();
    let spec = spec(&file, &tokenizer)?;
    Ok(Start {
        tokens: spec.tokens.clone(),
        policy: Policy {
            base: Base::Fresh(Box::new(spec)),
            lora,
            seed,
            device,
        },
        tokenizer,
    })
}

/// The tokenizer of these texts, trained once for a run.
fn trained(args: &Pretrain, size: usize, folder: &Path) -> Result<Tokenizer> {
    if folder.join("tokenizer_config.json").exists() {
        return Ok(Tokenizer::open(folder)?);
    }
    print::note(&format!("training a tokenizer of {size} tokens"));
    let mut texts = Vec::new();
    let mut bytes = 0;
    for document in documents(args)? {
        let text = document?.text;
        bytes += text.len();
        texts.push(text);
        if bytes >= WORDS {
            break;
        }
    }
    let tokenizer = train_bpe(texts.into_iter(), size)?;
    std::fs::create_dir_all(folder).map_err(|source| infalign_data::Error::Write {
        path: folder.to_owned(),
        source,
    })?;
    tokenizer.save(folder)?; // its tokenizer_config.json last
    if tokenizer.vocab_size() < size {
        print::note(&format!(
            "the texts hold no more than {} tokens",
            tokenizer.vocab_size()
        ));
    }
    Ok(Tokenizer::open(folder)?)
}

/// The description in a file, completed by the tokenizer.
fn spec(file: &Path, tokenizer: &Tokenizer) -> Result<Spec> {
    let mut config = object(file)?;
    if config.get("vocab_size").is_none_or(Value::is_null) {
        config.insert("vocab_size".to_owned(), tokenizer.vocab_size().into());
    }
    for role in ["bos_token", "eos_token", "pad_token"] {
        if let Some(id) = tokenizer.special_id(role) {
            config.insert(format!("{role}_id"), id.into());
        }
    }
    let spec = Spec::from_json(config, &file.display().to_string())?;
    tokenizer.check_vocab(spec.vocab)?;
    Ok(spec)
}

fn object(file: &Path) -> Result<Map<String, Value>> {
    let text = std::fs::read(file).map_err(|source| infalign_data::Error::Read {
        path: file.to_owned(),
        source,
    })?;
    serde_json::from_slice(&text).map_err(|e| {
        Error::Usage(format!(
            "{}: not a configuration: {e}; give a model's config.json",
            file.display()
        ))
    })
}

/// All documents of all files, opened one after the other.
fn documents(
    args: &Pretrain,
) -> infalign_train::Result<impl Iterator<Item = infalign_data::Result<Document>> + use<>> {
    let options = DocumentOptions {
        text_column: Some(args.text_column.clone()),
        ..DocumentOptions::default()
    };
    let open = move |path: PathBuf| {
        let (documents, refused) = match read_documents(path, &options) {
            Ok(documents) => (Some(documents), None),
            Err(error) => (None, Some(Err(error))),
        };
        refused.into_iter().chain(documents.into_iter().flatten())
    };
    Ok(args.data.clone().into_iter().flat_map(open))
}

fn rows(args: &Pretrain, start: &Start, context: usize, out: &Path) -> Result<Data> {
    let vocab = start.policy.spec().vocab;
    let tokenizer = HubTokenizer::new(&start.tokenizer, &start.tokens, vocab)?;
    let mut inputs = Fingerprint::new();
    for path in &args.data {
        inputs = inputs.file(&path.display().to_string(), path)?;
    }
    // The folder is this run's own, and its configuration fixes the tokenizer.
    let make = |validation: f64| -> infalign_train::Result<(TokenCache, Option<TokenCache>)> {
        let options = PackOptions {
            validation,
            split_seed: args.training.seed,
            ..PackOptions::default()
        };
        build_caches(
            out,
            inputs.clone(),
            || documents(args),
            &tokenizer,
            &options,
        )
    };
    let (training, held_out) = training::held_out(&args.training, make)?;
    let validation = held_out
        .map(|cache| PackedRows::new(cache, context, "validation"))
        .transpose();
    let validation = match (validation, args.training.validation) {
        // Where nobody asked for it, too little is as good as nothing.
        (Err(infalign_train::Error::TooShort { tokens, .. }), None) => {
            print::note(&format!(
                "the {tokens} tokens held out are too few for a row: no validation"
            ));
            None
        }
        (validation, _) => validation?,
    };
    Ok(Data {
        training: Rows::Packed(PackedRows::new(training, context, "training")?),
        validation: validation.map(Rows::Packed),
    })
}
