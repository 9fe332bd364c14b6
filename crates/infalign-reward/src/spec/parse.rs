//! From a text to a [`RewardSpec`], or to a message that names the kinds and the nearest spelling.
//!
//! ```text
//! reward  = kind [ ":" parameters ]  |  "sum(" [sign] term { (" + " | " - ") term } ")"
//! term    = [ number "*" ] ( reward | '"' reward, its '"' doubled '"' )
//! ```
//!
//! Inside a sum, signs part terms only with a blank on both sides, outside of quotes and of parentheses.

use std::{path::PathBuf, str::FromStr};

use super::{Entry, REGISTRY, RewardSpec};
use crate::{Dress, Error, ExecReward, Over, PatternReward, Result, Term, remote, sum};

impl FromStr for RewardSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        if let Some(rest) = text.strip_prefix("sum(") {
            return terms(text, rest).map(Self::Sum);
        }
        if remote::is_judge(text) {
            return Ok(Self::Judge(text.parse()?));
        }
        if remote::is_server(text) {
            return Ok(Self::Server(text.parse()?));
        }
        let (entry, parameters) = find(text)?;
        let malformed = |why: &str| malformed(text, why, entry);
        let needed = || match parameters {
            Some(p) if !p.trim().is_empty() => Ok(p.trim()),
            _ => Err(malformed("what follows the colon is missing")),
        };
        let alone = |spec: Self| match parameters {
            None => Ok(spec),
            Some(_) => Err(malformed("it takes no parameters")),
        };
        match entry.name {
            "length" => alone(Self::Length),
            "answer" => alone(Self::Answer),
            "lexicon" => {
                let all = needed()?;
                let (file, over) = match all.strip_suffix(":mean") {
                    Some(file) => (file, Over::Mean),
                    None => (all, Over::Sum),
                };
                if file.is_empty() {
                    return Err(malformed("the file is missing"));
                }
                let file = PathBuf::from(file);
                Ok(Self::Lexicon { file, over })
            }
            "model" => model(needed()?, &malformed),
            "exec" => {
                let command = needed()?.to_owned();
                ExecReward::words(&command)?;
                Ok(Self::Exec { command })
            }
            "regex" | "regex-count" => {
                let count = entry.name == "regex-count";
                // Blanks may be meant.
                let pattern = parameters.unwrap_or_default().to_owned();
                if pattern.is_empty() {
                    return Err(malformed("what follows the colon is missing"));
                }
                PatternReward::new(&pattern, count)?;
                Ok(Self::Pattern { pattern, count })
            }
            _ => Err(malformed("its parts stand in parentheses")),
        }
    }
}

fn model(all: &str, malformed: &impl Fn(&str) -> Error) -> Result<RewardSpec> {
    let (mut folder, mut dress, mut eos) = (all, Dress::Auto, false);
    while let Some((before, option)) = folder.rsplit_once(':') {
        let twice = match option {
            "raw" | "chat" => {
                let set = std::mem::replace(
                    &mut dress,
                    if option == "raw" {
                        Dress::Raw
                    } else {
                        Dress::Chat
                    },
                );
                set != Dress::Auto
            }
            "eos" => std::mem::replace(&mut eos, true),
            _ => break,
        };
        if twice {
            return Err(malformed(&format!(
                "`:{option}` stands beside an option that excludes it"
            )));
        }
        folder = before;
    }
    if folder.is_empty() {
        return Err(malformed("the folder is missing"));
    }
    Ok(RewardSpec::Model {
        folder: PathBuf::from(folder),
        dress,
        eos,
    })
}

/// The parts of `sum(` + `rest`.
fn terms(whole: &str, rest: &str) -> Result<Vec<Term>> {
    let wrong = |why: &str| malformed(whole, why, &sum::ENTRY);
    let (mut depth, mut quoted) = (0_usize, false);
    let mut found = Vec::new();
    let (mut begin, mut minus) = (0, false);
    let mut end = None;
    let bytes = rest.as_bytes();
    for (at, c) in rest.char_indices() {
        if end.is_some() {
            return Err(wrong(
                "something stands after the closing parenthesis; put parts with parentheses into double quotes",
            ));
        }
        let between =
            |at: usize| at > 0 && bytes[at - 1] == b' ' && bytes.get(at + 1) == Some(&b' ');
        match c {
            '"' => quoted = !quoted,
            _ if quoted => {}
            '(' => depth += 1,
            ')' if depth == 0 => end = Some(at),
            ')' => depth -= 1,
            '+' | '-' if depth == 0 && between(at) && !rest[begin..at].trim().is_empty() => {
                found.push((minus, &rest[begin..at]));
                (begin, minus) = (at + 1, c == '-');
            }
            _ => {}
        }
    }
    if quoted {
        return Err(wrong("a double quote is not closed"));
    }
    let Some(end) = end else {
        return Err(wrong("the closing parenthesis is missing"));
    };
    found.push((minus, &rest[begin..end]));
    let one = |(minus, text): (bool, &str)| term(text.trim(), minus, &wrong);
    found.into_iter().map(one).collect()
}

fn term(text: &str, minus: bool, wrong: &impl Fn(&str) -> Error) -> Result<Term> {
    let (minus, text) = match text.strip_prefix('-') {
        Some(rest) => (!minus, rest.trim_start()),
        None => (minus, text),
    };
    let weighted = text.split_once('*').and_then(|(weight, reward)| {
        let weight = weight.trim();
        // `regex:a*b` is no product.
        let number = weight.starts_with(|c: char| c.is_ascii_digit() || c == '.');
        number.then_some((weight, reward.trim()))
    });
    let (weight, text) = match weighted {
        Some((weight, reward)) => {
            let number = weight.parse().ok().filter(|w: &f64| w.is_finite());
            let number = number.ok_or_else(|| wrong(&format!("`{weight}` is no weight")))?;
            (number, reward)
        }
        None => (1.0, text),
    };
    if text.is_empty() {
        return Err(wrong("a part is missing"));
    }
    let inner = text.strip_prefix('"').and_then(|t| t.strip_suffix('"'));
    let reward = match inner {
        Some(inner) => inner.replace("\"\"", "\"").parse()?,
        None => text.parse()?,
    };
    Ok(Term {
        weight: if minus { -weight } else { weight },
        reward,
    })
}

/// The kind and what follows its colon.
fn find(text: &str) -> Result<(&'static Entry, Option<&str>)> {
    let (name, parameters) = match text.split_once(':') {
        Some((name, parameters)) => (name, Some(parameters)),
        None => (text, None),
    };
    if let Some(entry) = REGISTRY.iter().find(|e| e.name == name) {
        return Ok((entry, parameters));
    }
    if text.starts_with(|c: char| c.is_ascii_digit() || c == '-') && text.contains('*') {
        let why = "weights stand inside sum(…)";
        return Err(malformed(text, why, &sum::ENTRY));
    }
    let head = |text: &str| text.chars().take(64).collect::<String>();
    let nearest = REGISTRY
        .iter()
        .map(|e| (strsim::osa_distance(&head(name), e.name), e))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, e)| *distance <= 1 + e.name.len() / 3)
        .map(|(_, e)| match parameters {
            Some(p) if e.syntax.contains(':') => format!("{}:{p}", e.name),
            _ if e.syntax == e.name => e.name.to_owned(),
            _ => e.example.to_owned(),
        });
    let known: Vec<&str> = REGISTRY.iter().map(|e| e.syntax).collect();
    Err(Error::Unknown {
        given: text.to_owned(),
        nearest,
        known: known.join(", "),
    })
}

fn malformed(given: &str, why: &str, entry: &Entry) -> Error {
    Error::Malformed {
        given: given.to_owned(),
        why: why.to_owned(),
        example: entry.example,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    fn parse(text: &str) -> Result<RewardSpec> {
        text.parse()
    }

    #[test]
    fn every_example_parses_and_comes_back() {
        for entry in REGISTRY {
            let spec = parse(entry.example).unwrap();
            assert_eq!(spec.to_string(), entry.example);
        }
    }

    #[test]
    fn what_is_written_parses_back() {
        for (typed, written) in [
            (" length ", "length"),
            ("model:a/b:eos:raw", "model:a/b:raw:eos"),
            (r"model:C:\rm:chat", r"model:C:\rm:chat"),
            ("lexicon:v.txt:mean", "lexicon:v.txt:mean"),
            ("regex: + ", "regex: +"),
            (
                "exec:python3 'my judge.py' --n 3",
                "exec:python3 'my judge.py' --n 3",
            ),
            ("sum(length)", "sum(length)"),
            ("sum(-length - 1e-3*answer)", "sum(-length - 0.001*answer)"),
            ("sum( -2*length + -3*answer )", "sum(-2*length - 3*answer)"),
            (
                "sum(0.5*sum(length + answer) + length)",
                "sum(0.5*sum(length + answer) + length)",
            ),
            (
                r#"sum(2*"regex:a + b\)" + regex:x*y)"#,
                r#"sum(2*"regex:a + b\)" + "regex:x*y")"#,
            ),
            (
                r#"sum(exec:say "a + b" + length)"#,
                r#"sum("exec:say ""a + b""" + length)"#,
            ),
            (
                "sum(regex:(a|b) + length)",
                r#"sum("regex:(a|b)" + length)"#,
            ),
        ] {
            let spec = parse(typed).unwrap();
            assert_eq!(spec.to_string(), written);
            assert_eq!(parse(written).unwrap(), spec, "{written}");
            let json = serde_json::to_string(&spec).unwrap();
            assert_eq!(serde_json::from_str::<RewardSpec>(&json).unwrap(), spec);
        }
    }

    #[test]
    fn relative_paths_move() {
        let spec = parse("sum(model:rm + lexicon:/v.txt + length)").unwrap();
        let moved = spec.within(std::path::Path::new("/base"));
        assert_eq!(
            moved.to_string(),
            "sum(model:/base/rm + lexicon:/v.txt + length)"
        );
    }

    #[test]
    fn messages() {
        let told: Vec<String> = [
            "",
            "lenght",
            "length:tokens",
            "modle:rm",
            "model",
            "model:",
            "model::raw",
            "model:rm:raw:chat",
            "lexicon::mean",
            "regex:",
            "regex:(",
            "exec:",
            "exec:'python3",
            "reward",
            "0.7*length",
            "sum",
            "sum()",
            "sum(length",
            "sum(length) + 1",
            "sum(1..2*length)",
            "sum(length + )",
            "sum(\"length)",
            "sum(2*lengt)",
        ]
        .iter()
        .map(|text| format!("{text}\n    {}", parse(text).unwrap_err()))
        .collect();
        insta::assert_snapshot!(told.join("\n"));
    }
}
