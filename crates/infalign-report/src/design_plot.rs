//! The picture of a design as HTML, SVG or PNG.

use std::path::Path;

use askama::Template;
use infalign::design::{Design, TransformRow};

use crate::{
    design_panels::panels,
    error::{Error, Result},
    figures::{in_nats, percent, significant},
    page, png, svg,
};

/// A picture format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A page that needs nothing but itself: light and dark, with values under the pointer.
    Html,
    /// A drawing, light and dark.
    Svg,
    /// Pixels on white, two to a CSS pixel.
    Png,
}

impl Format {
    /// The format that a file name's ending names.
    ///
    /// # Errors
    /// [`Error::Format`] for any ending but `.html`, `.htm`, `.svg` and `.png`.
    pub fn of(path: &Path) -> Result<Self> {
        let ending = path
            .extension()
            .and_then(|ending| ending.to_str())
            .unwrap_or_default();
        match ending.to_ascii_lowercase().as_str() {
            "html" | "htm" => Ok(Self::Html),
            "svg" => Ok(Self::Svg),
            "png" => Ok(Self::Png),
            _ => Err(Error::Format {
                given: path.display().to_string(),
            }),
        }
    }
}

/// The file that shows a design: win rate against KL for each transform below the optimum, the
/// budget and the base's own point marked; and Φ* beside the recommended Φ. The same design gives
/// the same bytes.
///
/// # Errors
/// [`Error::Empty`] for a design without `points` (no frontier was asked for);
/// [`Error::NotFinite`] for a NaN or an infinity among its figures.
pub fn design_plot(design: &Design, format: Format) -> Result<Vec<u8>> {
    let panels = panels(design)?;
    match format {
        Format::Html => page::render(&DesignPage::new(design, &panels)?).map(String::into_bytes),
        Format::Svg => svg::file(&panels, &panels[0].alt).map(String::into_bytes),
        Format::Png => png::file(&panels),
    }
}

#[derive(Template)]
#[template(path = "design.html")]
struct DesignPage<'a> {
    head: page::Head,
    design: &'a Design,
    kl: String,
    optimum: String,
    recommended: String,
    beta: String,
    panels: Vec<String>,
    rows: Vec<Row<'a>>,
    at_k: Option<usize>,
}

/// A row of the table, in words.
struct Row<'a> {
    transform: &'a str,
    best: bool,
    beta: String,
    kl: String,
    win_rate: String,
    standard: String,
    share: String,
    at_k: String,
    beta_at_k: String,
}

impl<'a> DesignPage<'a> {
    fn new(design: &'a Design, panels: &[crate::panel::Panel]) -> Result<Self> {
        Ok(Self {
            head: page::Head::new(format!("{} at {}", design.procedure, in_nats(design.kl))),
            kl: in_nats(design.kl),
            optimum: percent(design.optimum.win_rate),
            recommended: percent(design.recommended.win_rate),
            beta: significant(design.recommended.beta, 4),
            panels: panels.iter().map(svg::inline).collect::<Result<_>>()?,
            rows: design
                .transforms
                .iter()
                .map(|row| Row::new(row, row.transform == design.recommended.transform))
                .collect(),
            at_k: design.k,
            design,
        })
    }
}

impl<'a> Row<'a> {
    fn new(row: &'a TransformRow, best: bool) -> Self {
        Self {
            transform: &row.transform,
            best,
            beta: significant(row.beta, 4),
            kl: format!("{:.3}", row.kl),
            win_rate: percent(row.win_rate),
            standard: percent(row.standard_win_rate),
            share: percent(row.share_of_optimum),
            at_k: row
                .at_k
                .map_or_else(|| "–".to_owned(), |at_k| percent(at_k.win_rate)),
            beta_at_k: row
                .at_k
                .map_or_else(|| "–".to_owned(), |at_k| significant(at_k.beta, 4)),
        }
    }
}
