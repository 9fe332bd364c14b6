//! The colours of transforms: one colour to a transform in all pictures, in light and in dark.
//!
//! The hues are Okabe and Ito's (safe for the common forms of colour blindness), darkened or
//! lightened where the background asks for it. `exp` is a ramp by |T|: orange for T > 0, reddish
//! purple for T < 0. Ordinary RLHF (`raw`) is grey and dashed, the optimum is ink. A mark's shape
//! repeats what its colour says.

/// A colour, by what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tone {
    /// Text and the optimum.
    Ink,
    /// Axis names and ticks.
    Muted,
    /// Grid lines.
    Grid,
    /// The ground.
    Paper,
    /// Ordinary raw-reward RLHF.
    Raw,
    /// Calibration alone.
    Identity,
    /// `log`.
    Log,
    /// `exp:T`, T > 0, by rank of T: 0 (mildest) to 4.
    Rising(usize),
    /// `exp:T`, T < 0, by rank of |T|: 0 (mildest) to 4.
    Falling(usize),
    /// Any other transform, by order of appearance: 0 to 3.
    Other(usize),
}

/// Every tone with its colour on white and on black. The colour on white is unique to the tone:
/// a style sheet finds it in a drawing and puts the colour for dark ground in its place.
pub(crate) const TONES: [(Tone, Rgb, Rgb); 21] = [
    (Tone::Ink, 0x1b1f24, 0xf0f3f6),
    (Tone::Muted, 0x57606a, 0xa9b4c0),
    (Tone::Grid, 0xdfe3e8, 0x30363d),
    (Tone::Paper, 0xffffff, 0x14181d),
    (Tone::Raw, 0x767c84, 0x9aa4af),
    (Tone::Identity, 0x0072b2, 0x58aef0),
    (Tone::Log, 0x008a64, 0x2fc79a),
    (Tone::Rising(0), 0xe0a82e, 0xf7d08a),
    (Tone::Rising(1), 0xe69f00, 0xf2b43c),
    (Tone::Rising(2), 0xdd7d00, 0xf39a2d),
    (Tone::Rising(3), 0xd55e00, 0xff7f32),
    (Tone::Rising(4), 0x9c3f00, 0xe0602a),
    (Tone::Falling(0), 0xdd9fc0, 0xf3cfe3),
    (Tone::Falling(1), 0xcc79a7, 0xecaed0),
    (Tone::Falling(2), 0xbb5c92, 0xe18fbd),
    (Tone::Falling(3), 0xa1427a, 0xd873ac),
    (Tone::Falling(4), 0x742a55, 0xc55595),
    (Tone::Other(0), 0x3a9bd0, 0x8fd0f5),
    (Tone::Other(1), 0x8a7d00, 0xe6d94a),
    (Tone::Other(2), 0x6a5acd, 0xa99cf5),
    (Tone::Other(3), 0x8c564b, 0xc99a8f),
];

/// A colour as `0xRRGGBB`.
pub(crate) type Rgb = u32;

impl Tone {
    /// The colour on white.
    pub(crate) fn light(self) -> Rgb {
        TONES
            .iter()
            .find(|(tone, ..)| *tone == self)
            .map_or(0, |(_, light, _)| *light)
    }

    /// The colour on white as the drawing library writes it: `#RRGGBB`.
    pub(crate) fn hex(self) -> String {
        format!("#{:06X}", self.light())
    }
}

/// The rules that put every drawing in the reader's colours: `prefers-color-scheme` decides.
///
/// Selectors match the colours in the drawing itself, so it is whole without any style sheet.
pub(crate) fn dark_rules(scope: &str) -> String {
    let mut css = String::from("@media screen and (prefers-color-scheme:dark){");
    for (_, light, dark) in TONES {
        for property in ["fill", "stroke"] {
            css.push_str(&format!(
                "{scope} [{property}=\"#{light:06X}\"]{{{property}:#{dark:06X}}}"
            ));
        }
    }
    css.push('}');
    css
}

/// The shape of a mark, which says the family of its transform once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// The optimum.
    Diamond,
    /// Ordinary RLHF.
    Square,
    /// Calibration alone and others.
    Circle,
    /// `exp:T`.
    Triangle,
    /// `log`.
    Wedge,
}

/// The transforms of a report, each with its tone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Palette {
    tones: Vec<(String, Tone)>,
}

impl Palette {
    /// Tones for these transforms: the same whatever the order in which they come.
    pub(crate) fn new<'a, I: IntoIterator<Item = &'a str>>(transforms: I) -> Self {
        let mut names: Vec<&str> = transforms.into_iter().collect();
        names.sort_unstable();
        names.dedup();
        let ranks = |positive: bool| {
            let mut ranks: Vec<f64> = names
                .iter()
                .filter_map(|name| exponent(name))
                .filter(|t| (*t > 0.0) == positive)
                .map(f64::abs)
                .collect();
            ranks.sort_by(f64::total_cmp);
            ranks
        };
        let (rising, falling) = (ranks(true), ranks(false));
        let mut others = 0;
        let tones = names
            .iter()
            .map(|name| {
                let tone = match (*name, exponent(name)) {
                    (name, _) if is_optimum(name) => Tone::Ink,
                    ("raw", _) => Tone::Raw,
                    ("identity", _) => Tone::Identity,
                    ("log", _) => Tone::Log,
                    (_, Some(t)) if t > 0.0 => Tone::Rising(step(&rising, t)),
                    (_, Some(t)) => Tone::Falling(step(&falling, -t)),
                    _ => {
                        others += 1;
                        Tone::Other((others - 1) % 4)
                    }
                };
                ((*name).to_owned(), tone)
            })
            .collect();
        Self { tones }
    }

    /// The tone of a transform.
    pub(crate) fn tone(&self, transform: &str) -> Tone {
        self.tones
            .iter()
            .find(|(name, _)| name == transform)
            .map_or(Tone::Muted, |(_, t)| *t)
    }

    /// The shape of a transform's marks.
    pub(crate) fn shape(&self, transform: &str) -> Shape {
        match self.tone(transform) {
            Tone::Ink => Shape::Diamond,
            Tone::Raw => Shape::Square,
            Tone::Rising(_) | Tone::Falling(_) => Shape::Triangle,
            Tone::Log => Shape::Wedge,
            _ => Shape::Circle,
        }
    }
}

/// Whether the name is the coupled optimum's: `optimum` on a frontier, `optimal` as a transform.
pub(crate) fn is_optimum(name: &str) -> bool {
    name == "optimum" || name == "optimal" || name.starts_with("optimal:")
}

/// T of `exp:T`.
fn exponent(name: &str) -> Option<f64> {
    name.strip_prefix("exp:")?
        .parse()
        .ok()
        .filter(|t: &f64| t.is_finite())
}

/// The rank of `t` among `sorted`, spread over the five steps of a ramp.
fn step(sorted: &[f64], t: f64) -> usize {
    let rank = sorted.iter().filter(|other| **other < t).count();
    if sorted.len() <= 1 {
        3
    } else {
        (rank * 4).div_ceil(sorted.len() - 1).min(4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_on_white_are_unique() {
        let mut seen: Vec<Rgb> = TONES.iter().map(|(_, light, _)| *light).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), TONES.len());
    }

    #[test]
    fn order_of_names_does_not_matter() {
        let names = [
            "exp:10", "power:2", "raw", "exp:-5", "exp:2.5", "optimum", "logit", "exp:20",
        ];
        let forward = Palette::new(names);
        let backward = Palette::new(names.into_iter().rev());
        for name in names {
            assert_eq!(forward.tone(name), backward.tone(name), "{name}");
        }
        assert_eq!(forward.tone("exp:20"), Tone::Rising(4));
        assert_eq!(forward.tone("exp:-5"), Tone::Falling(3));
        assert_ne!(forward.tone("power:2"), forward.tone("logit"));
    }

    /// Text and lines stay readable: WCAG asks for a contrast of 3 of graphics, 4.5 of text.
    #[test]
    fn every_tone_stands_out_from_the_paper() {
        let luminance = |rgb: Rgb| {
            let channel = |shift: u32| {
                let c = f64::from((rgb >> shift) & 0xff) / 255.0;
                if c <= 0.04045 {
                    c / 12.92
                } else {
                    ((c + 0.055) / 1.055).powf(2.4)
                }
            };
            0.2126 * channel(16) + 0.7152 * channel(8) + 0.0722 * channel(0)
        };
        let contrast = |a: Rgb, b: Rgb| {
            let (a, b) = (luminance(a), luminance(b));
            (a.max(b) + 0.05) / (a.min(b) + 0.05)
        };
        let (paper, night) = (0xffffff, 0x14181d);
        for (tone, light, dark) in TONES {
            let (least_light, least_dark) = match tone {
                Tone::Grid | Tone::Paper => continue,
                Tone::Ink | Tone::Muted => (4.5, 4.5),
                // The mildest steps of the ramps are light by design; their labels are muted ink.
                Tone::Rising(0..=2) | Tone::Falling(0 | 1) => (1.9, 3.0),
                _ => (3.0, 3.0),
            };
            assert!(contrast(light, paper) >= least_light, "{tone:?} on white");
            assert!(contrast(dark, night) >= least_dark, "{tone:?} on black");
        }
    }
}
