//! What every page carries within itself: style, the pointer's script, a policy that forbids loading.

use askama::Template;

use crate::{
    error::{Error, Result},
    svg::STYLE,
    tone::dark_rules,
};

/// The head of a page and the script at its foot.
pub(crate) struct Head {
    /// The page's title.
    pub(crate) title: String,
    /// Style sheet.
    pub(crate) style: String,
    /// Values under the pointer.
    pub(crate) script: &'static str,
}

impl Head {
    pub(crate) fn new(title: String) -> Self {
        Self::with(title, "", include_str!("../assets/hover.js"))
    }

    /// The head of the page of a run, which sorts its tables and searches its samples.
    pub(crate) fn of_run(title: String) -> Self {
        Self::with(
            title,
            include_str!("../assets/run.css"),
            concat!(
                include_str!("../assets/hover.js"),
                include_str!("../assets/run.js")
            ),
        )
    }

    fn with(title: String, more: &str, script: &'static str) -> Self {
        let style = format!(
            "{}{more}{STYLE}{}",
            include_str!("../assets/page.css"),
            dark_rules("svg")
        );
        Self {
            title,
            style,
            script,
        }
    }
}

/// The page as text.
pub(crate) fn render(page: &impl Template) -> Result<String> {
    page.render()
        .map_err(|error| Error::Drawing(error.to_string()))
}
