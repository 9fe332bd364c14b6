//! A file of examples as rows for training and rows held out for validation.

use infalign_data::{Example, Place};
use infalign_lm::ChatTemplate;

use super::{SftOptions, SftRows, Tokenize, examples::segments, split::Split};
use crate::error::Result;

/// Rows for training and, with a `validation` fraction above 0, those held out; which, `seed` decides. `examples` opens the file; it is read
/// twice: counted, then tokenised.
///
/// # Errors
/// Any error about an example; [`crate::Error::OneDocument`], [`crate::Error::NothingLeft`], [`crate::Error::Setting`].
pub fn sft_rows<E>(
    examples: impl Fn() -> Result<E>,
    template: Option<&ChatTemplate>,
    tokenizer: &impl Tokenize,
    options: &SftOptions,
    (validation, seed): (f64, u64),
) -> Result<(SftRows, Option<SftRows>)>
where
    E: Iterator<Item = infalign_data::Result<(Place, Example)>>,
{
    let mut count = 0;
    for example in examples()? {
        example?;
        count += 1;
    }
    let split = Split::new(count, validation, seed)?;
    let (mut training, mut held_out) = (SftRows::new(), SftRows::new());
    for (number, example) in (0..).zip(examples()?) {
        let (place, example) = example?;
        let (parts, options) = segments(&example, template, options, &place)?;
        let rows = if validation > 0.0 && split.holds_out(number) {
            &mut held_out
        } else {
            &mut training
        };
        rows.insert(&parts, tokenizer, &options, &place)?;
    }
    let held_out = (validation > 0.0).then(|| held_out.finish()).transpose()?;
    Ok((training.finish()?, held_out))
}
