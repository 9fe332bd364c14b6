//! PAPERS.md tells the truth: each file that it names exists and names the paper and the equation.
//!
//! A row reads `| paper | equation | what | file |`. The file's text, comment signs and line breaks
//! aside, must hold the row's arXiv id and every text that the equation cell sets in backticks. Rows
//! whose paper is "derived" have no id; their file must hold the word itself.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// One equation that the code uses.
struct Row<'a> {
    line: usize,
    paper: &'a str,
    equation: &'a str,
    file: &'a str,
}

#[test]
fn each_row_names_a_file_that_names_its_equation() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("no parent folder")?;
    let table = fs::read_to_string(root.join("PAPERS.md"))?;
    let rows = rows(&table)?;
    assert!(!rows.is_empty(), "PAPERS.md has no rows");
    let mut wrong = Vec::new();
    for row in rows {
        match fs::read_to_string(root.join(row.file)) {
            Err(error) => wrong.push(format!("PAPERS.md:{}: {}: {error}", row.line, row.file)),
            Ok(source) => {
                for text in missing(&row, &source)? {
                    wrong.push(format!(
                        "PAPERS.md:{}: {} lacks `{text}`",
                        row.line, row.file
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn a_missing_id_and_a_missing_equation_are_noticed() -> Result<()> {
    let table = "| paper | equation | what | file |\n|---|---|---|---|\n\
                 | Li, arXiv 2401.00001 | `eq. 3` | x | `a.rs` |\n| derived | `h(u)` | y | `b.rs` |\n";
    let rows = rows(table)?;
    assert_eq!(rows.len(), 2);
    assert_eq!(
        missing(&rows[0], "//! arXiv 2401.00001,\n//! eq.\n//! 3")?,
        Vec::<String>::new()
    );
    assert_eq!(missing(&rows[0], "//! eq. 4")?, ["2401.00001", "eq. 3"]);
    assert_eq!(
        missing(&rows[1], "//! Derived: h(u) = u")?,
        Vec::<String>::new()
    );
    assert_eq!(missing(&rows[1], "//! h(u) = u")?, ["derived"]);
    Ok(())
}

/// The rows of every table of `text` that has the four columns.
fn rows(text: &str) -> Result<Vec<Row<'_>>> {
    let mut rows = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let cells: Vec<_> = line
            .trim()
            .trim_matches('|')
            .split('|')
            .map(str::trim)
            .collect();
        let [paper, equation, _, file] = cells[..] else {
            if line.starts_with('|') {
                bail!(
                    "PAPERS.md:{}: a row has four cells, this one {}",
                    index + 1,
                    cells.len()
                );
            }
            continue;
        };
        if paper != "paper" && !paper.starts_with("---") {
            rows.push(Row {
                line: index + 1,
                paper,
                equation,
                file: file.trim_matches('`'),
            });
        }
    }
    Ok(rows)
}

/// What the row promises and `source` does not hold.
fn missing(row: &Row<'_>, source: &str) -> Result<Vec<String>> {
    let source = plain(source);
    let mut promised: Vec<String> = row
        .equation
        .split('`')
        .skip(1)
        .step_by(2)
        .map(plain)
        .collect();
    if row.paper.eq_ignore_ascii_case("derived") {
        promised.insert(0, "derived".to_owned());
    } else {
        let id = row
            .paper
            .split(['[', ']', ' ', '/'])
            .find(|word| is_arxiv_id(word));
        promised.insert(
            0,
            id.context(format!("PAPERS.md:{}: no arXiv id", row.line))?
                .to_owned(),
        );
    }
    promised.retain(|text| {
        let lower = source.to_lowercase();
        !lower.contains(&text.to_lowercase())
    });
    Ok(promised)
}

/// `2412.19792`: four digits, a point, four or five digits.
fn is_arxiv_id(word: &str) -> bool {
    let digits = |part: &str| part.chars().all(|c| c.is_ascii_digit());
    word.split_once('.').is_some_and(|(month, number)| {
        month.len() == 4 && matches!(number.len(), 4 | 5) && digits(month) && digits(number)
    })
}

/// One line, without the signs that open Rust comments.
fn plain(text: &str) -> String {
    text.lines()
        .map(|line| line.trim().trim_start_matches('/').trim_start_matches('!'))
        .flat_map(str::split_whitespace)
        .collect::<Vec<_>>()
        .join(" ")
}
