//! One bad file per way of being bad: the error names file, place and remedy, and is the user's.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

use std::{io::Write as _, path::Path};

use infalign_data::{
    Error, Kind, ReadOptions, RewardTable, Spot, read_csv, read_jsonl, read_parquet, read_table,
};

fn jsonl(text: &str) -> Error {
    refused(read_jsonl(
        text.as_bytes(),
        "r.jsonl",
        &ReadOptions::default(),
    ))
}

fn csv(text: &[u8]) -> Error {
    refused(read_csv(text, "r.csv", &ReadOptions::default()))
}

fn refused(result: infalign_data::Result<RewardTable>) -> Error {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), Kind::User, "{error}");
    error
}

/// The whole message: it is what a user sees.
#[track_caller]
fn says(error: &Error, message: &str) {
    assert_eq!(error.to_string(), message);
}

#[test]
fn a_path_that_is_not_there() {
    let error = refused(read_table("no/such.csv", &ReadOptions::default()));
    assert!(matches!(error, Error::Read { .. }));
    assert!(error.to_string().ends_with("check the path"), "{error}");
    let error = refused(read_table(std::env::temp_dir(), &ReadOptions::default()));
    assert!(
        error.to_string().ends_with("name a file inside it"),
        "{error}"
    );
}

#[test]
fn an_unknown_format() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("table.txt");
    std::fs::write(&path, "prompt reward\n").unwrap();
    let error = refused(read_table(&path, &ReadOptions::default()));
    assert!(matches!(error, Error::UnknownFormat { .. }), "{error}");
    std::fs::write(&path, "\n {\"rewards\": [1]}").unwrap();
    assert_eq!(
        read_table(&path, &ReadOptions::default())
            .unwrap()
            .prompts(),
        1
    );
}

#[test]
fn empty_files() {
    let message = "r.jsonl holds no rows; expected at least one prompt with its rewards";
    for text in ["", "\n\n", "[]", "{\"instances\": []}", "\u{feff}"] {
        says(&jsonl(text), message);
    }
    for text in ["", "prompt,reward\n", "\n\n"] {
        assert!(
            matches!(csv(text.as_bytes()), Error::Empty { .. }),
            "{text:?}"
        );
    }
    let directory = tempfile::tempdir().unwrap();
    for name in ["a.parquet", "a.csv", "a.jsonl.gz", "a.json"] {
        let path = directory.path().join(name);
        std::fs::write(&path, "").unwrap();
        let error = refused(read_table(&path, &ReadOptions::default()));
        assert!(matches!(error, Error::Empty { .. }), "{error}");
    }
}

#[test]
fn a_missing_column() {
    says(
        &csv(b"prompt,rewrad\na,1\n"),
        "r.csv: no reward column `rewards`, `reward`, `ref_rewards` (did you mean `rewrad`?); \
         columns found: `prompt`, `rewrad`; name it with --reward-column",
    );
    says(
        &csv(b"prompt_idx,reward\na,1\n"),
        "r.csv: no prompt column `prompt_id`, `prompt` (did you mean `prompt_idx`?); columns \
         found: `prompt_idx`, `reward`; name it with --prompt-column",
    );
    let options = ReadOptions {
        gold_columns: vec!["gold".to_owned()],
        ..Default::default()
    };
    let error = refused(read_jsonl(&b"{\"rewards\": [1]}"[..], "r.jsonl", &options));
    says(
        &error,
        "r.jsonl: no gold reward column `gold`; columns found: `rewards`; name it with --gold-column",
    );
}

#[test]
fn a_column_twice() {
    says(
        &csv(b"prompt,reward,reward\na,1,2\n"),
        "r.csv: column `reward` appears twice; give every column its own name",
    );
}

#[test]
fn wrong_types() {
    says(
        &jsonl("{\"rewards\": [1]}\n{\"rewards\": [1, \"good\"]}\n"),
        "r.jsonl, line 2, column `rewards`: found the text \"good\", expected a number",
    );
    says(
        &jsonl("{\"rewards\": [true]}"),
        "r.jsonl, line 1, column `rewards`: found the boolean true (write 0 or 1), expected a number",
    );
    says(
        &jsonl("{\"rewards\": [1]}\n{\"rewards\": 2}\n"),
        "r.jsonl, line 2, column `rewards`: found the number 2, expected a list of numbers",
    );
    says(
        &jsonl("{\"prompt\": \"a\", \"reward\": 1}\n{\"prompt\": \"a\", \"reward\": [2]}\n"),
        "r.jsonl, line 2, column `reward`: found a list, expected a number",
    );
    says(
        &csv(b"prompt,reward\na,1\na,high\n"),
        "r.csv, line 3, column `reward`: found the text \"high\", expected a number",
    );
    says(
        &csv(b"prompt,reward\na,\"[1, x]\"\n"),
        "r.csv, line 2, column `reward`: found the text \"[1, x]\", expected a list in JSON's \
         notation like [0.5, 1.25]",
    );
}

#[test]
fn missing_values() {
    says(
        &jsonl("{\"prompt\": \"a\", \"reward\": 1}\n\n{\"prompt\": \"a\"}\n"),
        "r.jsonl, line 3: no value for `reward`; give one, or drop the row",
    );
    says(
        &jsonl("{\"prompt\": null, \"rewards\": [1]}"),
        "r.jsonl, line 1: no value for `prompt`; give one, or drop the row",
    );
    says(
        &csv(b"prompt,reward\na,1\n,2\n"),
        "r.csv, line 3: no value for `prompt`; give one, or drop the row",
    );
    assert!(matches!(
        csv(b"prompt,reward\na,\n"),
        Error::MissingField { .. }
    ));
}

#[test]
fn empty_lists() {
    says(
        &jsonl("{\"rewards\": [1]}\n{\"rewards\": []}"),
        "r.jsonl, line 2, column `rewards`: the list is empty; give at least one reward, or drop \
         the prompt",
    );
    assert!(matches!(
        csv(b"prompt,reward\na,[]\n"),
        Error::EmptyList { .. }
    ));
}

#[test]
fn rewards_that_are_not_finite() {
    let tail = "expected a finite number below 3.4e38; drop the response or score it again";
    for (text, what) in [
        ("{\"rewards\": [1, null]}", "response 2: the reward is null"),
        (
            "{\"rewards\": [1, 2, NaN]}",
            "response 3: the reward is NaN",
        ),
        (
            "{\"rewards\": [-Infinity, 2]}",
            "response 1: the reward is Infinity",
        ),
        ("{\"rewards\": [1e39]}", "response 1: the reward is 1e39"),
    ] {
        says(
            &jsonl(text),
            &format!("r.jsonl, line 1, column `rewards`, {what}, {tail}"),
        );
    }
    for value in ["nan", "NaN", "inf", "-inf", "1e40"] {
        says(
            &csv(format!("prompt,reward\na,1\na,{value}\n").as_bytes()),
            &format!("r.csv, line 3, column `reward`: the reward is {value}, {tail}"),
        );
    }
}

#[test]
fn lists_of_different_length() {
    says(
        &jsonl("{\"rewards\": [1, 2], \"gold\": [1]}"),
        "r.jsonl, line 1: `gold` holds 1 values but `rewards` holds 2; every list of a prompt \
         needs one value per response",
    );
    let options = ReadOptions {
        texts: true,
        ..Default::default()
    };
    let text = "{\"rewards\": [1, 2], \"responses\": [\"a\"]}";
    let error = refused(read_jsonl(text.as_bytes(), "r.jsonl", &options));
    assert!(
        matches!(
            error,
            Error::UnequalLengths {
                length: 1,
                other_length: 2,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn one_prompt_in_two_wide_rows() {
    says(
        &jsonl("{\"prompt\": \"a\", \"rewards\": [1]}\n{\"prompt\": \"a\", \"rewards\": [2]}\n"),
        "r.jsonl, line 2: prompt `a` was already given in r.jsonl, line 1; merge the two lists, or \
         give each row its own `prompt_id`",
    );
}

#[test]
fn text_that_is_not_utf8() {
    says(
        &csv(b"prompt,reward\na,1\n\xff,2\n"),
        "r.csv, line 3: not UTF-8 text; save the file as UTF-8 (iconv -t UTF-8)",
    );
    assert!(matches!(
        csv(b"prom\xffpt,reward\na,1\n"),
        Error::NotUtf8 { .. }
    ));
    let bytes = b"{\"rewards\": [1]}\n{\"prompt\": \"\xff\", \"rewards\": [1]}\n";
    let error = refused(read_jsonl(&bytes[..], "r.jsonl", &ReadOptions::default()));
    assert!(
        matches!(&error, Error::NotUtf8 { place } if place.spot == Spot::Line(2)),
        "{error}"
    );
}

#[test]
fn compressed_files_that_are_cut_short_or_corrupt() {
    let text = b"{\"rewards\": [1, 2, 3]}\n";
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(text).unwrap();
    for whole in [
        gzip.finish().unwrap(),
        zstd::encode_all(&text[..], 0).unwrap(),
    ] {
        let read = |bytes: &[u8]| read_jsonl(bytes, "r.jsonl.gz", &ReadOptions::default());
        assert_eq!(read(&whole).unwrap().rewards(0, 0), [1.0, 2.0, 3.0]);
        for cut in 5..whole.len() {
            let error = refused(read(&whole[..cut]));
            assert!(
                matches!(error, Error::Damaged { .. }),
                "cut at {cut}: {error}"
            );
        }
        let mut corrupt = whole.clone();
        let last = corrupt.len() - 6; // within the checksum or the last block
        corrupt[last] ^= 0x55;
        let result = read(&corrupt);
        assert!(!matches!(result, Err(Error::Read { .. })), "{result:?}");
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cut.csv.gz");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(b"prompt,reward\na,1\n").unwrap();
    let whole = gzip.finish().unwrap();
    std::fs::write(&path, &whole[..whole.len() - 9]).unwrap();
    let error = refused(read_table(&path, &ReadOptions::default()));
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
}

#[test]
fn malformed_json() {
    let remedy = "each row is one JSON object, without NaN or Infinity";
    says(
        &jsonl("{\"rewards\": [1]}\n{\"rewards\": [1}\n"),
        &format!("r.jsonl, line 2: malformed JSON: expected `,` or `]` at column 15; {remedy}"),
    );
    says(
        &jsonl("{\"rewards\": [1]}\n{\"rewards\": [1]\n{\"rewards\": [1]}\n"),
        &format!(
            "r.jsonl, line 2: malformed JSON: EOF while parsing an object at column 15; {remedy}"
        ),
    );
    says(
        &jsonl("{\"rewards\": [1]} {\"rewards\": [1]}\n"),
        &format!("r.jsonl, line 1: malformed JSON: trailing characters at column 18; {remedy}"),
    );
    says(
        &jsonl("5\n"),
        &format!(
            "r.jsonl, line 1: malformed JSON: invalid type: integer `5`, expected a row, that is a \
             JSON object at column 1; {remedy}"
        ),
    );
    assert!(matches!(
        jsonl(&"[".repeat(100_000)),
        Error::Malformed { .. }
    ));
}

#[test]
fn a_document_names_the_line_of_the_row() {
    let text =
        "{\n  \"instances\": [\n    {\n \"rewards\": [1] },\n    {\n \"rewards\": [] }\n  ]\n}";
    let error = jsonl(text);
    assert!(
        matches!(&error, Error::EmptyList { place, .. } if place.spot == Spot::Line(5)),
        "{error}"
    );
}

#[test]
fn csv_rows_of_another_length() {
    says(
        &csv(b"prompt,reward\na,1\nb,2,3\n"),
        "r.csv, line 3: 3 fields, expected 2 as in the header; quote fields that hold the delimiter",
    );
}

#[test]
fn parquet_that_is_none() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.parquet");
    std::fs::write(&path, "prompt,reward\n").unwrap();
    let error = refused(read_table(&path, &ReadOptions::default()));
    assert!(matches!(error, Error::Parquet { .. }), "{error}");
    let error = refused(read_parquet(
        Vec::new().into(),
        "a.parquet",
        &ReadOptions::default(),
    ));
    assert!(matches!(error, Error::Parquet { .. }), "{error}");
}

#[test]
fn every_place_stands_in_the_file() {
    let Error::FieldCount { place, .. } = csv(b"prompt,reward\n\"a\nb\",1\nc\n") else {
        panic!("a short row passes")
    };
    assert_eq!((&*place.file, place.spot), ("r.csv", Spot::Line(4)));
    assert!(Path::new(&*place.file).extension().is_some());
}
