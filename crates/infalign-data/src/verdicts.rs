//! Pairwise verdicts of a judge: which of two models' responses to a prompt is better.

use std::path::Path;

use crate::{
    error::{Error, Result},
    formats::{Content, RecordOptions, Verdict, read_records},
    texts::Turns,
};

/// A verdict and the prompt that it is about.
#[derive(Debug, Clone, PartialEq)]
pub struct VerdictRow {
    /// Names the prompt: its id, else its text.
    pub prompt: String,
    /// Who was compared, and how often the model won.
    pub verdict: Verdict,
}

/// Reads the verdicts of a file, in its order.
///
/// # Errors
/// As [`read_records`]; [`Error::NoVerdicts`] for a file of another kind.
pub fn read_verdicts(path: impl AsRef<Path>, options: &RecordOptions) -> Result<Vec<VerdictRow>> {
    let path = path.as_ref();
    let mut records = read_records(path, options)?;
    let format = records.format();
    let mut rows = Vec::new();
    for record in records.by_ref() {
        let record = record?;
        let Content::Verdict(verdict) = record.content else {
            return Err(Error::NoVerdicts {
                file: path.display().to_string(),
                format: format.name,
            });
        };
        let prompt = match (record.id, record.prompt) {
            (Some(id), _) => id,
            (None, Some(Turns::Text(text))) => text,
            (None, prompt) => serde_json::to_string(&prompt).unwrap_or_default(),
        };
        rows.push(VerdictRow { prompt, verdict });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    fn read(text: &str) -> Result<Vec<Option<f64>>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("v.jsonl");
        std::fs::write(&path, text).unwrap();
        let rows = read_verdicts(&path, &RecordOptions::default())?;
        Ok(rows.into_iter().map(|row| row.verdict.won).collect())
    }

    fn alpaca(preference: &str) -> String {
        format!(
            r#"{{"instruction": "q", "output_1": "a", "generator_1": "b", "output_2": "c", "generator_2": "m", "preference": {preference}}}"#
        )
    }

    fn arena(games: &str) -> String {
        format!(r#"{{"uid": "u", "judge": "j", "model": "m", "baseline": "b", "games": {games}}}"#)
    }

    #[test]
    fn preferences_count_for_the_second_generator() {
        let rows = ["1", "2", "1.5", "0", "1.25", "null"]
            .map(alpaca)
            .join("\n");
        let wanted = [Some(0.0), Some(1.0), Some(0.5), Some(0.5), Some(0.25), None];
        assert_eq!(read(&rows).unwrap(), wanted);
        for bad in ["2.5", "-1", "\"first\""] {
            let said = read(&alpaca(bad)).unwrap_err().to_string();
            assert!(
                said.contains("v.jsonl, line 1") && said.contains("preference"),
                "{said}"
            );
        }
    }

    #[test]
    fn games_average_over_the_swap() {
        // The model is B in the first game and A in the second.
        let rows = [
            r#"[{"score": "B>A"}, {"score": "A>>B"}]"#,
            r#"[{"score": "A>B"}, {"score": "A>B"}]"#,
            r#"[{"score": "A=B"}, {"score": "B>>A"}]"#,
            r#"[{"score": "A<<B"}, null]"#,
            r#"[{"score": null}, {}]"#,
        ];
        let rows = rows.map(arena).join("\n");
        let wanted = [Some(1.0), Some(0.5), Some(0.25), None, None];
        assert_eq!(read(&rows).unwrap(), wanted);
        for bad in [
            r#"[{"score": "A"}]"#,
            r#"[{"score": 3}]"#,
            "[]",
            "[{}, {}, {}]",
            "7",
        ] {
            let said = read(&arena(bad)).unwrap_err().to_string();
            assert!(
                said.contains("v.jsonl, line 1") && said.contains("games"),
                "{said}"
            );
        }
    }

    #[test]
    fn other_files_are_no_verdicts() {
        let said = read("{\"prompt\": \"a\"}").unwrap_err().to_string();
        assert!(
            said.contains("prompts") && said.contains("alpaca-annotations"),
            "{said}"
        );
    }
}
