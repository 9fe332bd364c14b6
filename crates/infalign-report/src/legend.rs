//! The legend of a picture: each transform's mark and name, outside the drawing.

use crate::{
    html::escape,
    tone::{Palette, Shape},
};

/// A list item per transform, and one for the hollow mark.
pub(crate) fn legend(transforms: &[&str], palette: &Palette) -> String {
    let mut list = String::from("<ul class=\"legend\">");
    for name in transforms {
        let colour = palette.tone(name).hex();
        let shape = match palette.shape(name) {
            Shape::Circle => "<circle cx=\"8\" cy=\"8\" r=\"5\"",
            Shape::Diamond => "<path d=\"M8 1.5 14.5 8 8 14.5 1.5 8Z\"",
            Shape::Square => "<path d=\"M3.5 3.5h9v9h-9Z\"",
            Shape::Triangle => "<path d=\"M8 2 14 12.5H2Z\"",
            Shape::Wedge => "<path d=\"M8 14 2 3.5H14Z\"",
        };
        list.push_str(&format!(
            "<li><svg viewBox=\"0 0 16 16\" aria-hidden=\"true\">{shape} fill=\"{colour}\"/></svg><code>{}</code></li>",
            escape(name)
        ));
    }
    list.push_str("</ul>");
    list
}
