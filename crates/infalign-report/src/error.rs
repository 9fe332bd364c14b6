//! Why a picture or a report could not be made, and what to do about it.

/// A result of this crate.
pub type Result<T> = core::result::Result<T, Error>;

/// What stands in the way of a picture or a report.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A list that the picture is drawn from is empty.
    #[error("{name} is empty: {remedy}")]
    Empty {
        /// The list.
        name: &'static str,
        /// What fills it.
        remedy: &'static str,
    },
    /// A figure is NaN or infinite.
    #[error("{name} of {place} is {value}: only finite numbers can be drawn")]
    NotFinite {
        /// The field.
        name: &'static str,
        /// The row, in words.
        place: String,
        /// The value there.
        value: f64,
    },
    /// Two lists that belong together differ in length.
    #[error("{name} of {place} has {length} values where {wanted} belong")]
    Lengths {
        /// The list.
        name: String,
        /// Where it is, in words.
        place: String,
        /// Its length.
        length: usize,
        /// The length that it must have.
        wanted: usize,
    },
    /// A row lacks the win rates of a judge that the results list.
    #[error("{place} has no win rate by `{judge}`, which `judges` lists")]
    MissingJudge {
        /// The row, in words.
        place: String,
        /// The reward column.
        judge: String,
    },
    /// A file name whose ending names no picture format.
    #[error("`{given}` names no picture format: end it in .html, .svg or .png")]
    Format {
        /// The file name given.
        given: String,
    },
    /// The drawing library failed.
    #[error("drawing failed ({0}): this is a fault of infalign; please report it")]
    Drawing(String),
}

impl Error {
    /// `Ok` when `value` is finite, else [`Error::NotFinite`].
    pub(crate) fn finite(name: &'static str, place: &str, value: f64) -> Result<f64> {
        if value.is_finite() {
            Ok(value)
        } else {
            Err(Self::NotFinite {
                name,
                place: place.to_owned(),
                value,
            })
        }
    }
}
