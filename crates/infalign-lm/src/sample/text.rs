//! From the tokens of one sample to its text: decoded as they come, cut at a stop string, never half a character.

use super::{settings::Sampling, stop::StopStrings};

/// Turns the tokens of one sample into text as they come; `E` is the engine's error.
pub trait TextStream<E> {
    /// The text that is certain now; none while it may still change.
    ///
    /// # Errors
    /// When the token has no text.
    fn push(&mut self, token: u32) -> Result<Option<String>, E>;

    /// What was held back, at the end.
    ///
    /// # Errors
    /// When it cannot be decoded.
    fn finish(self: Box<Self>) -> Result<Option<String>, E>;
}

/// The text of one sample.
pub(super) struct Text<'a, E> {
    stream: Box<dyn TextStream<E> + 'a>,
    stops: StopStrings<'a>,
    shown: String,
}

impl<'a, E> Text<'a, E> {
    pub(super) fn new(stream: Box<dyn TextStream<E> + 'a>, settings: &'a Sampling) -> Self {
        let include = settings.include_stop_str_in_output;
        Self {
            stream,
            stops: StopStrings::new(&settings.stop, include),
            shown: String::new(),
        }
    }

    /// Takes a token; returns whether a stop string ended the text.
    pub(super) fn push(&mut self, token: u32) -> Result<bool, E> {
        let piece = self.stream.push(token)?;
        Ok(self.stops.push(&piece.unwrap_or_default(), &mut self.shown))
    }

    /// The text up to now.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// The whole text, and whether its last characters, held back until now, completed a stop string.
    pub(super) fn finish(mut self) -> Result<(String, bool), E> {
        let piece = self.stream.finish()?;
        let stopped = self.stops.push(&piece.unwrap_or_default(), &mut self.shown);
        self.stops.finish(&mut self.shown);
        Ok((self.shown, stopped))
    }
}
