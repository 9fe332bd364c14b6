//! From a TOML file and `--set` to a configuration: an unknown key is answered with its line and the nearest key.

use std::{fs, path::Path};

use toml::{Table, Value};

use super::{Config, idle};
use crate::error::{Error, Result};

/// Reads a file, applies the settings, and checks the ranges.
///
/// # Errors
/// [`Error::Config`] names the key, the line and the nearest key.
pub fn read(path: Option<&Path>, set: &[String]) -> Result<Config> {
    let (text, name) = match path {
        Some(path) => {
            let text = fs::read_to_string(path).map_err(|source| infalign_data::Error::Read {
                path: path.to_owned(),
                source,
            })?;
            (text, path.display().to_string())
        }
        None => (String::new(), "the default".to_owned()),
    };
    let mut config = parse(&text, &name, set)?;
    if let Some(folder) = path.and_then(Path::parent) {
        config.root = folder.to_owned();
    }
    Ok(config)
}

/// The configuration of a text; `name` stands in errors.
///
/// # Errors
/// As [`read`].
pub fn parse(text: &str, name: &str, set: &[String]) -> Result<Config> {
    // First as it stands: errors then have lines.
    let config: Config = toml::from_str(text).map_err(|e| fault(text, name, &e))?;
    let config = if set.is_empty() {
        config
    } else {
        let mut table: Table = toml::from_str(text).map_err(|e| fault(text, name, &e))?;
        for setting in set {
            apply(&mut table, setting)?;
        }
        let merged = toml::to_string(&table).unwrap_or_default();
        toml::from_str(&merged).map_err(|e| Error::Config {
            place: format!("--set {}", set.join(" --set ")),
            why: with_nearest(e.message()),
        })?
    };
    config.check(name)?;
    idle::refuse(&config, name, set)?;
    Ok(config)
}

fn fault(text: &str, name: &str, error: &toml::de::Error) -> Error {
    let line = error
        .span()
        .map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
    Error::Config {
        place: match line {
            Some(line) => format!("{name}, line {line}"),
            None => name.to_owned(),
        },
        why: with_nearest(error.message()),
    }
}

/// Adds the nearest of the expected keys to serde's message about an unknown one.
fn with_nearest(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let message = message.trim();
    if !message.starts_with("unknown field") {
        return message.to_owned();
    }
    let Some(unknown) = quoted.next() else {
        return message.to_owned();
    };
    let nearest = quoted
        .map(|known| (strsim::jaro_winkler(unknown, known), known))
        .filter(|(likeness, _)| *likeness > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match nearest {
        Some((_, known)) => format!("{message}; did you mean `{known}`?"),
        None => message.to_owned(),
    }
}

/// Puts `a.b=value` into a table; a value that is no TOML is a text.
fn apply(table: &mut Table, setting: &str) -> Result<()> {
    let refused = |why: &str| Error::Config {
        place: format!("--set {setting}"),
        why: why.to_owned(),
    };
    let (key, text) = setting
        .split_once('=')
        .ok_or_else(|| refused("expected KEY=VALUE, such as train.steps=50"))?;
    let value = format!("x = {text}")
        .parse::<Table>()
        .ok()
        .and_then(|mut t| t.remove("x"))
        .unwrap_or_else(|| Value::String(text.trim().to_owned()));
    let mut place = table;
    let mut parts = key.trim().split('.').peekable();
    while let Some(part) = parts.next() {
        if part.is_empty() {
            return Err(refused("a part of the key is empty"));
        }
        if parts.peek().is_none() {
            place.insert(part.to_owned(), value);
            return Ok(());
        }
        let inner = place
            .entry(part)
            .or_insert_with(|| Value::Table(Table::new()));
        place = inner
            .as_table_mut()
            .ok_or_else(|| refused("the key goes through a value that is no table"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    fn said(text: &str, set: &[&str]) -> String {
        let set: Vec<String> = set.iter().map(|&s| s.to_owned()).collect();
        parse(text, "run.toml", &set).unwrap_err().to_string()
    }

    #[test]
    fn nothing_is_the_default_and_the_default_reads_back() {
        let default = parse("", "run.toml", &[]).unwrap();
        assert_eq!(default, Config::default());
        assert_eq!(parse(&default.to_toml(), "x", &[]).unwrap(), default);
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line_and_the_nearest() {
        let text = said("seed = 1\n\n[train]\nstep = 5\n", &[]);
        assert!(
            text.starts_with("run.toml, line 4: unknown field `step`"),
            "{text}"
        );
        assert!(text.ends_with("did you mean `steps`?"), "{text}");
        let text = said("", &["train.step=5"]);
        assert!(
            text.starts_with("--set train.step=5: unknown field `step`"),
            "{text}"
        );
    }

    #[test]
    fn settings_win_over_the_file() {
        let set = [
            "train.steps=7".to_owned(),
            "design.kl=[0.25, 1]".to_owned(),
            "policy.model=abc".to_owned(),
        ];
        let config = parse("[train]\nsteps = 5\n", "x", &set).unwrap();
        assert_eq!(config.train.steps, 7);
        assert_eq!(config.design.kl, [0.25, 1.0]);
        assert_eq!(config.policy.model, "abc");
    }

    #[test]
    fn a_wrong_type_or_value_is_named() {
        assert!(said("[train]\nsteps = \"many\"\n", &[]).contains("line 2"));
        let text = said("[design]\nkl = [-1]\n", &[]);
        assert!(text.contains("design.kl is -1"), "{text}");
        let text = said("[design]\nprocedures = [\"bestof:4\"]\n", &[]);
        assert!(text.contains("best-of:4"), "{text}");
        assert!(said("", &["seed"]).contains("expected KEY=VALUE"));
    }
}
