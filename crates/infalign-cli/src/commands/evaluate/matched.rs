//! Files of samples brought to the same prompts in the same order, with as many responses to each.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use infalign_data::{SampledPrompt, read_samples};

use crate::{
    commands::{bad_rows, responses::text},
    error::{Error, Result},
    print,
};

/// A policy's responses: to the base's prompts, in its order.
pub(super) struct Side {
    pub(super) name: String,
    pub(super) file: PathBuf,
    pub(super) prompts: Vec<SampledPrompt>,
}

impl Side {
    /// From `[NAME=]FILE`; without a name, the file's. A file whose name holds `=` is there as a whole.
    pub(super) fn read(typed: &str, skip_bad_rows: bool) -> Result<Self> {
        let (name, file) = match typed.split_once('=') {
            Some((name, file)) if !name.is_empty() && !Path::new(typed).exists() => (name, file),
            _ => (stem(typed), typed),
        };
        let mut samples = read_samples(file, &bad_rows::reading(skip_bad_rows))?;
        let prompts = samples.by_ref().collect::<infalign_data::Result<_>>()?;
        bad_rows::tell(samples.bad());
        Ok(Self {
            name: name.to_owned(),
            file: file.into(),
            prompts,
        })
    }

    /// Cuts all prompts to as many responses as the one with fewest has.
    fn even(&mut self) {
        let counts = self.prompts.iter().map(|p| p.responses.len());
        let fewest = counts.clone().min().unwrap_or(0);
        if counts.max() != Some(fewest) {
            print::note(&format!(
                "{}: prompts have different numbers of responses; the first {fewest} of each are taken",
                self.name
            ));
        }
        for prompt in &mut self.prompts {
            prompt.responses.truncate(fewest);
        }
    }
}

fn stem(path: &str) -> &str {
    let name = Path::new(path).file_name().and_then(|n| n.to_str());
    name.and_then(|n| n.split('.').next())
        .filter(|s| !s.is_empty())
        .unwrap_or(path)
}

/// The prompts that all sides have, in the first side's order: by their texts where all have those, else by their ids.
pub(super) fn matched(mut sides: Vec<Side>) -> Result<Vec<Side>> {
    let by_text = |p: &SampledPrompt| p.prompt.as_ref().map(|t| text(Some(t)).trim().to_owned());
    let by_id = |p: &SampledPrompt| p.named.then(|| p.id.clone());
    let keys = shared(&sides, by_text).or_else(|| shared(&sides, by_id));
    let Some(mut keys) = keys else {
        let files: Vec<String> = sides.iter().map(|s| s.file.display().to_string()).collect();
        return Err(Error::Usage(format!(
            "{} have no prompt in common; give responses to the same prompts, under the same texts or ids",
            files.join(", ")
        )));
    };
    for (side, keys) in sides.iter_mut().zip(&mut keys) {
        let all = side.prompts.len();
        let mut found: Vec<(usize, SampledPrompt)> = std::mem::take(&mut side.prompts)
            .into_iter()
            .zip(std::mem::take(keys))
            .filter_map(|(prompt, place)| Some((place?, prompt)))
            .collect();
        found.sort_by_key(|(place, _)| *place);
        side.prompts = found.into_iter().map(|(_, prompt)| prompt).collect();
        let out = all - side.prompts.len();
        if out > 0 {
            print::note(&format!(
                "{}: {out} of its {all} prompts are not in every file, and are left out",
                side.name
            ));
        }
        side.even();
    }
    Ok(sides)
}

/// For each side and prompt its place among the prompts that all sides have; `None` where a key is not there, comes twice, or none is shared.
fn shared(
    sides: &[Side],
    key: impl Fn(&SampledPrompt) -> Option<String>,
) -> Option<Vec<Vec<Option<usize>>>> {
    let keys: Vec<Vec<String>> = sides
        .iter()
        .map(|side| side.prompts.iter().map(&key).collect::<Option<_>>())
        .collect::<Option<_>>()?;
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for (number, keys) in keys.iter().enumerate() {
        for key in keys {
            match seen.get_mut(key.as_str()) {
                Some(sides) if *sides == number => *sides += 1,
                Some(sides) if *sides == number + 1 => return None,
                Some(_) => {}
                None if number == 0 => {
                    seen.insert(key, 1);
                }
                None => {}
            }
        }
    }
    seen.retain(|_, count| *count == sides.len());
    let order: BTreeMap<&str, usize> = keys
        .first()?
        .iter()
        .filter(|key| seen.contains_key(key.as_str()))
        .enumerate()
        .map(|(place, key)| (key.as_str(), place))
        .collect();
    let places = |keys: &Vec<String>| {
        keys.iter()
            .map(|k| order.get(k.as_str()).copied())
            .collect()
    };
    (!order.is_empty()).then(|| keys.iter().map(places).collect())
}
