//! Panels as PNG, on white: drawn at four times the size, averaged down to twice, encoded.

use ::png::{BitDepth, ColorType, Compression, Encoder};
use plotters::prelude::{BitMapBackend, IntoDrawingArea};

use crate::{
    draw,
    error::{Error, Result},
    panel::{Panel, SIZE},
    pen::Pen,
    svg::size,
    tone::Tone,
};

/// Pixels of the file to a unit: sharp on dense screens.
const DENSITY: usize = 2;
/// Drawn pixels to a pixel of the file, each way: plotters does not smooth thick lines itself.
const AVERAGED: usize = 2;

/// The panels side by side as one PNG file.
pub(crate) fn file(panels: &[Panel]) -> Result<Vec<u8>> {
    let scale = (DENSITY * AVERAGED) as f64;
    let drawn = size(panels.len(), scale);
    let mut pixels = vec![255_u8; drawn.0 as usize * drawn.1 as usize * 3];
    {
        let area = BitMapBackend::with_buffer(&mut pixels, drawn).into_drawing_area();
        let pen = Pen::pixel(&area, scale);
        pen.fill(Tone::Paper)?;
        for (i, panel) in panels.iter().enumerate() {
            draw::panel(&pen.at(i as f64 * SIZE.0, 0.0), panel)?;
        }
        area.present()
            .map_err(|error| Error::Drawing(error.to_string()))?;
    }
    let width = drawn.0 as usize / AVERAGED;
    let height = drawn.1 as usize / AVERAGED;
    encode(&averaged(&pixels, width, height), width, height)
        .map_err(|error| Error::Drawing(error.to_string()))
}

/// Means of `AVERAGED` × `AVERAGED` squares. `pixels`: (height · AVERAGED, width · AVERAGED, 3).
fn averaged(pixels: &[u8], width: usize, height: usize) -> Vec<u8> {
    let mut means = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            for channel in 0..3 {
                let mut sum = 0_usize;
                for dy in 0..AVERAGED {
                    let row = (y * AVERAGED + dy) * width * AVERAGED;
                    for dx in 0..AVERAGED {
                        sum += usize::from(pixels[(row + x * AVERAGED + dx) * 3 + channel]);
                    }
                }
                means.push((sum / (AVERAGED * AVERAGED)) as u8);
            }
        }
    }
    means
}

fn encode(
    pixels: &[u8],
    width: usize,
    height: usize,
) -> core::result::Result<Vec<u8>, ::png::EncodingError> {
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, width as u32, height as u32);
    encoder.set_color(ColorType::Rgb);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(Compression::High);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(file)
}
