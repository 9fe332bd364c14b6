//! The first picture of a recorded run's report as an SVG file of its own, for a page elsewhere.

use infalign::{design::Design, recorded::Recorded};

use crate::{
    design_panels,
    error::{Error, Result},
    recorded_panels::{Group, panels},
    svg,
    tone::Palette,
};

/// Measured win rates under `procedure` on the frontier of the theory, one panel to a judge: what
/// [`crate::recorded_report`] shows first, light and dark. The same input gives the same bytes.
///
/// # Errors
/// [`Error::Empty`] where nothing was measured under `procedure`; else as [`crate::recorded_report`].
pub fn recorded_plot(recorded: &Recorded, designs: &[Design], procedure: &str) -> Result<String> {
    let groups = Group::all(recorded, designs);
    let Some(group) = groups.iter().find(|group| group.procedure == procedure) else {
        return Err(Error::Empty {
            name: "measurements of the procedure to draw",
            remedy: "name one of the run's procedures",
        });
    };
    // The report's palette, so that a transform has one colour in both.
    let mut names = design_panels::names(designs);
    names.extend(recorded.measurements.iter().map(|row| &*row.transform));
    let panels = panels(group, &recorded.judges, &Palette::new(names))?;
    let alt = format!(
        "Win rate under {procedure} against the KL spent, by {}: measured points with 95% intervals on the frontier lines of the theory.",
        recorded.judges.join(" and by ")
    );
    svg::file(&panels, &alt)
}
