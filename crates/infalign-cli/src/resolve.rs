//! From what was typed to what is computed with: procedures, transforms, and the two-column files that some of them name.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use infalign::{
    Procedure, ProcedureSpec, TransformSpec, design::MOST_KL, procedure::Tabulated,
    transform::Table,
};

use crate::error::{Error, Result};

/// The procedure that a text names; `cdf:FILE` reads its file.
pub(crate) fn procedure(text: &str) -> Result<Arc<dyn Procedure>> {
    match text.parse::<ProcedureSpec>()? {
        ProcedureSpec::Ready(procedure) => Ok(procedure),
        ProcedureSpec::Cdf(file) => {
            let made = points(Path::new(&file), "u,g").and_then(|(points, lines)| {
                Tabulated::new(&file, &points).map_err(|e| located(&file, &e, &lines))
            });
            Ok(Arc::new(made?))
        }
    }
}

/// The transforms that texts name; `table:FILE` reads its file.
pub(crate) fn transforms(texts: &[String]) -> Result<Vec<TransformSpec>> {
    let resolve = |text: &String| match text.parse::<TransformSpec>()? {
        TransformSpec::Table(file) => {
            let (points, lines) = points(Path::new(&file), "u,phi")?;
            let table = Table::new(&file, &points).map_err(|e| located(&file, &e, &lines))?;
            Ok(TransformSpec::Ready(Arc::new(table)))
        }
        ready => Ok(ready),
    };
    texts.iter().map(resolve).collect()
}

/// The files that procedures and transforms name: what they hold decides the result as much as the rollouts do.
pub(crate) fn files(procedures: &[String], transforms: &[String]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for text in procedures {
        if let ProcedureSpec::Cdf(file) = text.parse()? {
            files.push(file.into());
        }
    }
    for text in transforms {
        if let TransformSpec::Table(file) = text.parse()? {
            files.push(file.into());
        }
    }
    Ok(files)
}

/// Refuses budgets that cannot be.
pub(crate) fn budgets(kls: &[f64]) -> Result<()> {
    match kls.iter().find(|kl| !(**kl > 0.0 && **kl <= MOST_KL)) {
        Some(&value) => Err(infalign::Error::OutOfRange {
            name: "KL",
            value,
            allowed: "a number > 0 and at most 32 (nats)",
        }
        .into()),
        None => Ok(()),
    }
}

/// The rows of a two-column CSV, and the line of each; a first row that is not numbers is a header.
fn points(path: &Path, columns: &str) -> Result<(Vec<(f64, f64)>, Vec<u64>)> {
    let wrong = |line, why| Error::Points {
        path: path.to_owned(),
        line,
        why,
    };
    let text = std::fs::read(path).map_err(|e| infalign_data::Error::Read {
        path: path.to_owned(),
        source: e,
    })?;
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .comment(Some(b'#'))
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_slice());
    let (mut points, mut lines) = (Vec::new(), Vec::new());
    for (row, record) in reader.records().enumerate() {
        let record =
            record.map_err(|e| wrong(e.position().map(csv::Position::line), e.to_string()))?;
        let line = record.position().map(csv::Position::line);
        let [u, value] = record.iter().collect::<Vec<_>>()[..] else {
            return Err(wrong(
                line,
                format!("{} fields; each row holds two, `{columns}`", record.len()),
            ));
        };
        match (u.parse(), value.parse()) {
            (Ok(u), Ok(value)) => {
                points.push((u, value));
                lines.push(line.unwrap_or(0));
            }
            _ if row == 0 => {}
            _ => return Err(wrong(line, format!("`{u},{value}` are not two numbers"))),
        }
    }
    Ok((points, lines))
}

/// An error of a table with the line of the row that it names.
fn located(file: &str, error: &infalign::Error, lines: &[u64]) -> Error {
    let line = match error {
        infalign::Error::BadValue { index, .. } => lines.get(*index).copied(),
        _ => None,
    };
    Error::Points {
        path: file.into(),
        line,
        why: error.to_string(),
    }
}
