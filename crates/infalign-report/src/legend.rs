//! The legend of a picture: each transform's mark and name, outside the drawing.

use crate::{
    html::escape,
    tone::{Palette, Shape},
};

/// A list item per transform.
pub(crate) fn legend(transforms: &[&str], palette: &Palette) -> String {
    let mut list = String::from("<ul class=\"legend\">");
    for name in transforms {
        let mark = shape(palette.shape(name), &palette.tone(name).hex());
        list.push_str(&format!(
            "<li><svg viewBox=\"0 0 16 16\" aria-hidden=\"true\">{mark}</svg><code>{}</code></li>",
            escape(name)
        ));
    }
    list.push_str("</ul>");
    list
}

/// A list item per transform with its colour alone, where marks have another meaning.
pub(crate) fn swatches(transforms: &[&str], palette: &Palette) -> String {
    let mut list = String::from("<ul class=\"legend\">");
    for name in transforms {
        list.push_str(&format!(
            "<li><svg class=\"key\" viewBox=\"0 0 12 12\" aria-hidden=\"true\"><rect width=\"12\" height=\"12\" fill=\"{}\"/></svg><code>{}</code></li>",
            palette.tone(name).hex(),
            escape(name)
        ));
    }
    list.push_str("</ul>");
    list
}

/// A mark in a view box of 16 by 16.
pub(crate) fn shape(shape: Shape, colour: &str) -> String {
    let shape = match shape {
        Shape::Circle => "<circle cx=\"8\" cy=\"8\" r=\"5\"",
        Shape::Diamond => "<path d=\"M8 1.5 14.5 8 8 14.5 1.5 8Z\"",
        Shape::Square => "<path d=\"M3.5 3.5h9v9h-9Z\"",
        Shape::Triangle => "<path d=\"M8 2 14 12.5H2Z\"",
        Shape::Wedge => "<path d=\"M8 14 2 3.5H14Z\"",
    };
    format!("{shape} fill=\"{colour}\"/>")
}
