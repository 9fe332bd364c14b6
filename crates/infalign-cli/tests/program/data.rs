//! Data files through the program: looked at, converted, refused.

use super::folder::Folder;

const PAIR: &str = "{\"chosen\": \"\\n\\nHuman: 2 + 2?\\n\\nAssistant: 4\", \"rejected\": \"\\n\\nHuman: 2 + 2?\\n\\nAssistant: 5\"}\n";

#[test]
fn transcripts_are_recognised_and_converted() {
    let folder = Folder::new();
    folder.write("hh.jsonl", &PAIR.repeat(2));
    let ran = folder.run("data inspect hh.jsonl").done();
    for part in [
        "hh.jsonl: hh",
        "duplicate rows",
        "preferences: 2, 0 of them ties",
    ] {
        assert!(ran.stdout.contains(part), "{}", ran.stdout);
    }
    let ran = folder.run("data inspect hh.jsonl --format json").done();
    let found: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(
        (&found["rows"], &found["duplicate_rows"]),
        (&2.into(), &1.into())
    );

    let ran = folder
        .run("data convert hh.jsonl out.jsonl --to preferences")
        .done();
    assert_eq!(ran.stdout, "");
    assert!(
        ran.stderr
            .contains("wrote out.jsonl: 2 rows of preferences"),
        "{}",
        ran.stderr
    );
    let text = std::fs::read_to_string(folder.path("out.jsonl")).unwrap();
    assert_eq!(
        text.lines().next(),
        Some(
            r#"{"prompt":[{"role":"user","content":"2 + 2?"}],"chosen":[{"role":"assistant","content":"4"}],"rejected":[{"role":"assistant","content":"5"}]}"#
        )
    );
}

#[test]
fn bad_rows_and_wrong_wishes() {
    let folder = Folder::new();
    folder.write("p.jsonl", "{\"prompt\": \"a\"}\n{\"prompt\": \"\"}\n");
    folder
        .run("data convert p.jsonl o.jsonl --to prompts")
        .refused(2, &["p.jsonl, line 2: `prompt` is empty"]);
    assert!(!folder.path("o.jsonl").exists());
    let ran = folder
        .run("data convert p.jsonl o.jsonl --to prompts --skip-bad")
        .done();
    for part in ["1 rows cannot be used", "p.jsonl, line 2"] {
        assert!(ran.stderr.contains(part), "{}", ran.stderr);
    }
    folder
        .run("data convert p.jsonl o.jsonl --to rewards")
        .refused(
            2,
            &["`prompts` data hold no rewards; they can become prompts"],
        );
    folder
        .run("data convert p.jsonl o.csv --to prompts")
        .refused(2, &["name the file .jsonl"]);
    folder
        .run("data inspect p.jsonl --as trl")
        .refused(2, &["there is no format `trl`", "trl-preference"]);
    folder.write("x.jsonl", "{\"a\": 1}\n");
    folder
        .run("data inspect x.jsonl")
        .refused(2, &["of no known format (columns: `a`)", "rlhflow"]);
}

#[test]
fn formats_are_listed() {
    let ran = Folder::new().run("data formats").done();
    for name in ["rlhflow", "ultrafeedback", "verl", "qrpo", "openrlhf"] {
        assert!(ran.stdout.contains(name), "{}", ran.stdout);
    }
}
