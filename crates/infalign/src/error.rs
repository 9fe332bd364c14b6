//! The mistakes a caller can make: each names the field, the place, the value and what is allowed.

/// A result of this crate.
pub type Result<T> = core::result::Result<T, Error>;

/// What was wrong with the input, in words that a user can act on.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A number lies outside its range (NaN and infinities included).
    #[error("{name} = {value} is out of range: it must be {allowed}")]
    OutOfRange {
        /// The parameter, as the user typed or named it.
        name: &'static str,
        /// The value given.
        value: f64,
        /// The allowed range in words, for example "a finite number > 0".
        allowed: &'static str,
    },
    /// A name that is in no registry.
    #[error("unknown {kind} `{given}`{}; known: {known}", nearest.as_ref().map(|n| format!(": did you mean `{n}`?")).unwrap_or_default())]
    Unknown {
        /// "procedure" or "transform".
        kind: &'static str,
        /// The text given.
        given: String,
        /// The nearest known spelling, when one is near.
        nearest: Option<String>,
        /// All known spellings, separated by commas.
        known: String,
    },
    /// A text with a known name whose parameters do not parse.
    #[error("{kind} `{given}`: {why}; write it like `{example}`")]
    Malformed {
        /// "procedure" or "transform".
        kind: &'static str,
        /// The text given.
        given: String,
        /// What is wrong with it.
        why: String,
        /// A text that works.
        example: &'static str,
    },
    /// A list that must hold something is empty.
    #[error("{name} is empty: it needs at least one value")]
    Empty {
        /// The list.
        name: &'static str,
    },
    /// Probabilities that do not sum to one.
    #[error("{name} sum to {sum}: they must sum to 1")]
    Masses {
        /// The list.
        name: &'static str,
        /// Its sum.
        sum: f64,
    },
    /// A table has too few points to say anything.
    #[error("{name} has {have} point(s): it needs at least {needed}")]
    TooFewPoints {
        /// The table.
        name: &'static str,
        /// Points given.
        have: usize,
        /// Points needed.
        needed: usize,
    },
    /// A value in a list is NaN or infinite where it must not be.
    #[error("{name}[{index}] = {value}: every value must be {allowed}")]
    BadValue {
        /// The list.
        name: &'static str,
        /// Zero-based position.
        index: usize,
        /// The value there.
        value: f64,
        /// What is allowed, for example "finite".
        allowed: &'static str,
    },
    /// A prompt without rewards.
    #[error("prompt {prompt} has no rewards: every prompt needs at least one")]
    NoRewards {
        /// Zero-based position of the prompt.
        prompt: usize,
    },
    /// A reward that is NaN or infinite.
    #[error("prompt {prompt}: rewards[{index}] = {value}: rewards must be finite")]
    BadReward {
        /// Zero-based position of the prompt.
        prompt: usize,
        /// Zero-based position among its rewards.
        index: usize,
        /// The value there.
        value: f64,
    },
    /// Two lists that belong together differ in length.
    #[error(
        "{left} has {left_len} values but {right} has {right_len}: they must be as long as each other"
    )]
    Lengths {
        /// First list.
        left: &'static str,
        /// Its length.
        left_len: usize,
        /// Second list.
        right: &'static str,
        /// Its length.
        right_len: usize,
    },
    /// A procedure asks for more draws than there are samples: no unbiased estimate exists.
    #[error(
        "{procedure} draws {needed} responses, but only {have} were sampled ({side}): sample at least {needed} per prompt or lower N"
    )]
    TooFewSamples {
        /// The procedure.
        procedure: String,
        /// Draws it makes.
        needed: usize,
        /// Samples there are.
        have: usize,
        /// "policy" or "base".
        side: &'static str,
    },
    /// A procedure asks for more draws than an evaluation has fresh responses.
    #[error(
        "{procedure} selects among {needed} responses, but there are {have} fresh ones per prompt of `{policy}`: raise `--samples` to at least {needed}, or lower N"
    )]
    TooFewFresh {
        /// The procedure.
        procedure: String,
        /// Draws it makes.
        needed: usize,
        /// Responses there are.
        have: usize,
        /// The policy, or `base`.
        policy: String,
    },
    /// A prompt's responses do not fit the rest of an evaluation.
    #[error(
        "policy `{policy}`, prompt `{prompt}`: {have} {what} where {wanted} are needed: every prompt needs as many as the first, one per response"
    )]
    Responses {
        /// The policy, or `base`.
        policy: String,
        /// The prompt's identity.
        prompt: String,
        /// The list.
        what: &'static str,
        /// Its length.
        have: usize,
        /// The length that fits.
        wanted: usize,
    },
    /// A value of one response that cannot be used.
    #[error(
        "policy `{policy}`, prompt `{prompt}`, response {index}: {what} = {value}: it must be {allowed}"
    )]
    Response {
        /// The policy, or `base`.
        policy: String,
        /// The prompt's identity.
        prompt: String,
        /// Zero-based position of the response.
        index: usize,
        /// The value's name.
        what: String,
        /// The value.
        value: f64,
        /// What is allowed.
        allowed: &'static str,
    },
    /// Two things of one name.
    #[error("two entries are called {kind} `{name}`: give each a name of its own")]
    Duplicate {
        /// "policy".
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// The KL budget lies beyond what any β of this transform gives.
    #[error(
        "a KL of {kl} nats is out of reach for {what}: it tends to {max:.6} as β goes to its limit"
    )]
    KlUnreachable {
        /// The transform or optimum.
        what: String,
        /// The KL asked for, in nats.
        kl: f64,
        /// The supremum of what can be reached, in nats.
        max: f64,
    },
    /// e^{Φ/β} cannot be normalised at this β.
    #[error(
        "{transform} at β = {beta}: {why}; it needs β > {floor}, or a clamp to [1/(2K), 1−1/(2K)] (give K)"
    )]
    BetaTooSmall {
        /// The transform.
        transform: String,
        /// The β asked for.
        beta: f64,
        /// The infimum of the βs that work.
        floor: f64,
        /// What fails below it.
        why: &'static str,
    },
    /// Something that this procedure cannot do.
    #[error("{procedure}: {why}")]
    Unsupported {
        /// The procedure or transform.
        procedure: String,
        /// What is missing and what to use instead.
        why: String,
    },
}

impl Error {
    /// `Ok(value)` when `ok`, else [`Error::OutOfRange`].
    pub(crate) const fn range(
        name: &'static str,
        value: f64,
        ok: bool,
        allowed: &'static str,
    ) -> Result<f64> {
        if ok {
            Ok(value)
        } else {
            Err(Self::OutOfRange {
                name,
                value,
                allowed,
            })
        }
    }
}
