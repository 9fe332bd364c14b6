//! Caches made, found again, refused.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

use std::{cell::Cell, fs, io::Cursor as Bytes};

use infalign_data::{DocumentOptions, Documents, TextForm, read_documents_from};

use super::{
    super::{
        PackedRows,
        letters::{BOS, EOS, Letters},
    },
    *,
};

const TEXT: &str = "ab\n<|endoftext|>\ncde\n<|endoftext|>\nf\n";

fn corpus(text: &str) -> Result<Documents> {
    let input = Bytes::new(text.as_bytes().to_vec());
    let options = DocumentOptions::default();
    Ok(read_documents_from(
        input,
        "t.txt",
        TextForm::Plain,
        &options,
    )?)
}

fn options(validation: f64) -> PackOptions {
    PackOptions {
        validation,
        ..Default::default()
    }
}

fn build(directory: &Path, validation: f64) -> (TokenCache, Option<TokenCache>) {
    let inputs = Fingerprint::new().bytes("text", TEXT.as_bytes());
    let tokenizer = Letters::default();
    build_caches(
        directory,
        inputs,
        || corpus(TEXT),
        &tokenizer,
        &options(validation),
    )
    .unwrap()
}

fn all(cache: &TokenCache) -> Vec<u32> {
    let mut tokens = Vec::new();
    cache
        .read_into(0, cache.tokens() as usize, &mut tokens)
        .unwrap();
    tokens
}

#[test]
fn documents_are_joined_with_their_ends() {
    let directory = tempfile::tempdir().unwrap();
    let (training, validation) = build(directory.path(), 0.0);
    assert!(validation.is_none());
    assert_eq!((training.documents(), training.tokens()), (3, 12));
    assert_eq!(
        all(&training),
        [BOS, 97, 98, EOS, BOS, 99, 100, 101, EOS, BOS, 102, EOS]
    );
    let rows = PackedRows::new(training, 4, "training").unwrap();
    assert_eq!(rows.rows(), 2);
    let batch = rows.batch(&[1, 0]).unwrap();
    assert_eq!(batch.inputs, [BOS, 99, 100, 101, BOS, 97, 98, EOS]);
    assert_eq!(
        batch.targets,
        [99, 100, 101, EOS as i32, 97, 98, EOS as i32, BOS as i32]
    );
}

#[test]
fn at_least_one_document_is_held_out() {
    let directory = tempfile::tempdir().unwrap();
    let (training, validation) = build(directory.path(), 0.01);
    let validation = validation.unwrap();
    assert_eq!((training.documents(), validation.documents()), (2, 1));
    assert_eq!(training.tokens() + validation.tokens(), 12);
    let mut both = [all(&training), all(&validation)].concat();
    let mut expected = {
        let whole = tempfile::tempdir().unwrap();
        all(&build(whole.path(), 0.0).0)
    };
    both.sort_unstable();
    expected.sort_unstable();
    assert_eq!(both, expected);
}

#[test]
fn wide_ids_take_four_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let wide = Letters { vocabulary: 70_000 };
    let build = |tokenizer: &Letters| {
        let inputs = Fingerprint::new();
        build_caches(
            directory.path(),
            inputs,
            || corpus(TEXT),
            tokenizer,
            &options(0.0),
        )
        .unwrap()
        .0
    };
    let narrow = all(&build(&Letters::default()));
    assert_eq!(all(&build(&wide)), narrow);
    let length = fs::metadata(directory.path().join("tokens.bin"))
        .unwrap()
        .len();
    assert_eq!(length, HEADER + 12 * 4 + FOOTER);
}

#[test]
fn the_same_inputs_are_not_tokenised_again() {
    let directory = tempfile::tempdir().unwrap();
    let opened = Cell::new(0);
    let build = |seed: &str, validation: f64| {
        let corpus = || {
            opened.set(opened.get() + 1);
            corpus(TEXT)
        };
        let inputs = Fingerprint::new().bytes("text", seed.as_bytes());
        let tokenizer = Letters::default();
        build_caches(
            directory.path(),
            inputs,
            corpus,
            &tokenizer,
            &options(validation),
        )
        .unwrap();
        opened.replace(0)
    };
    assert_eq!(build("a", 0.1), 2);
    assert_eq!(build("a", 0.1), 0);
    assert_eq!(build("b", 0.1), 2);
    assert_eq!(build("b", 0.2), 2);
    fs::remove_file(directory.path().join("validation.bin")).unwrap();
    assert_eq!(build("b", 0.2), 2);
    assert_eq!(build("b", 0.0), 2);
    assert_eq!(build("b", 0.0), 0);
}

#[test]
fn a_long_document_in_pieces_is_one_document() {
    let place = corpus(TEXT).unwrap().next().unwrap().unwrap().place;
    let piece = |text: &str, ends| {
        Ok(Document {
            place: place.clone(),
            number: 0,
            text: text.to_owned(),
            ends,
        })
    };
    let directory = tempfile::tempdir().unwrap();
    let corpus = || Ok(vec![piece("a", false), piece("b", false), piece("", true)].into_iter());
    let tokenizer = Letters::default();
    let (cache, _) = build_caches(
        directory.path(),
        Fingerprint::new(),
        corpus,
        &tokenizer,
        &options(0.0),
    )
    .unwrap();
    assert_eq!(all(&cache), [BOS, 97, 98, EOS]);
}

#[test]
fn texts_that_cannot_become_tokens_leave_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let refused = |text: &'static str, vocabulary, validation| {
        let inputs = Fingerprint::new();
        let tokenizer = Letters { vocabulary };
        let corpus = || corpus(text);
        let error = build_caches(
            directory.path(),
            inputs,
            corpus,
            &tokenizer,
            &options(validation),
        )
        .unwrap_err();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
        error.to_string()
    };
    // EOS, 256, is beyond this model.
    assert_eq!(
        refused("a", 200, 0.0),
        "t.txt, line 1: the tokenizer gives token 256, but the vocabulary has 200 tokens; use the tokenizer that belongs to the model"
    );
    let odd = refused("a\n<|endoftext|>\n\u{fffd}", 258, 0.5);
    assert_eq!(
        odd,
        "t.txt, line 3: cannot tokenise: a replacement character"
    );
    assert!(refused("a", 256, 0.0).starts_with("the tokenizer has no EOS token"));
    assert!(refused("a", 258, 0.5).starts_with("one document cannot be divided"));
    assert!(refused("", 258, 0.0).starts_with("t.txt holds no documents"));
    assert!(refused("a", 258, 1.0).starts_with("validation is 1; expected"));
}

#[test]
fn damaged_files_are_told() {
    let directory = tempfile::tempdir().unwrap();
    drop(build(directory.path(), 0.0));
    let path = directory.path().join("tokens.bin");
    let whole = fs::read(&path).unwrap();
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = whole.clone();
        change(&mut bytes);
        fs::write(&path, bytes).unwrap();
        match TokenCache::open(&path) {
            Err(error) => error.to_string(),
            Ok(cache) => cache
                .read_into(0, 1, &mut Vec::new())
                .expect_err("something is wrong")
                .to_string(),
        }
    };
    let last = whole.len() - 1;
    for (says, message) in [
        ("too short", with(&|b| b.truncate(50))),
        ("cut short", with(&|b| b.truncate(last))),
        ("cut short", with(&|b| b[last - 20] = 9)),
        ("cut short", with(&|b| b[last - 16..=last].fill(0xff))),
        ("does not begin", with(&|b| b[0] = 0)),
        ("another version", with(&|b| b[16] = 9)),
        ("disagree", with(&|b| b[20] = 3)),
        (
            "beyond the vocabulary",
            with(&|b| b[HEADER as usize + 1] = 0xff),
        ),
    ] {
        assert!(
            message.contains(says) && message.contains("tokens.bin is damaged"),
            "{message}"
        );
        assert!(
            message.ends_with("remove it: it is made again"),
            "{message}"
        );
    }
    fs::write(&path, &whole).unwrap();
    let cache = TokenCache::open(&path).unwrap();
    let beyond = cache.read_into(10, 3, &mut Vec::new());
    assert!(matches!(beyond, Err(Error::Bug { .. })));
    match PackedRows::new(cache, 12, "training") {
        Err(Error::TooShort {
            tokens: 12,
            context: 12,
            ..
        }) => {}
        other => panic!("{other:?}"),
    }
}
