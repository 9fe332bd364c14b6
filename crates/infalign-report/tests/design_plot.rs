//! The picture of a design: sound in every format, honest about what cannot be drawn.
#![expect(
    clippy::unwrap_used,
    reason = "a test stops where its expectation fails"
)]

#[path = "fixture/design.rs"]
mod fixture;

use std::{path::Path, sync::OnceLock};

use infalign::design::Design;
use infalign_report::{Error, Format, design_plot};

fn design() -> Design {
    static DESIGN: OnceLock<Design> = OnceLock::new();
    DESIGN
        .get_or_init(|| fixture::designs("best-of:4", &[0.5]).remove(0))
        .clone()
}

fn text(design: &Design, format: Format) -> String {
    String::from_utf8(design_plot(design, format).unwrap()).unwrap()
}

#[test]
fn an_svg_is_xml_and_names_every_curve() {
    for design in [design(), fixture::designs("worst-of:4", &[0.5]).remove(0)] {
        let svg = text(&design, Format::Svg);
        let xml = roxmltree::Document::parse(&svg).unwrap();
        assert_eq!(xml.root_element().attribute("width"), Some("940"));
        let labels: Vec<&str> = xml
            .descendants()
            .filter(|node| node.has_tag_name("text"))
            .filter_map(|node| node.text().map(str::trim))
            .collect();
        for row in &design.transforms {
            assert!(
                labels.contains(&&*row.transform),
                "{} is not named",
                row.transform
            );
        }
        for wanted in ["optimum", "Φ* optimum", "asked: 0.5 nats", "KL(π‖p), nats"] {
            assert!(labels.contains(&wanted), "{wanted} is not there");
        }
        assert!(labels.iter().any(|label| label.contains("of the base")));
    }
}

#[test]
fn labels_do_not_overlap() {
    let svg = text(&design(), Format::Svg);
    let xml = roxmltree::Document::parse(&svg).unwrap();
    // (x, y, size) of every text; places are in tenths of a unit.
    let places: Vec<(f64, f64, f64, &str)> = xml
        .descendants()
        .filter(|node| node.has_tag_name("text"))
        .map(|node| {
            let number = |name| node.attribute(name).unwrap().parse::<f64>().unwrap();
            (
                number("x"),
                number("y"),
                number("font-size"),
                node.attribute("text-anchor").unwrap(),
            )
        })
        .collect();
    for (i, a) in places.iter().enumerate() {
        for b in &places[..i] {
            // Text of one column (same place and side) must be a line apart.
            if a.0 == b.0 && a.3 == b.3 {
                assert!((a.1 - b.1).abs() >= a.2.min(b.2), "{a:?} and {b:?} overlap");
            }
        }
    }
}

#[test]
fn a_png_decodes_and_shows_something() {
    let file = design_plot(&design(), Format::Png).unwrap();
    let mut reader = png::Decoder::new(std::io::Cursor::new(file))
        .read_info()
        .unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!((info.width, info.height), (1880, 768));
    let (rgb, _) = pixels.as_chunks::<3>();
    let drawn = rgb.iter().filter(|pixel| **pixel != [255; 3]).count();
    let share = drawn as f64 / rgb.len() as f64;
    assert!(
        (0.02..0.3).contains(&share),
        "{share} of the picture is drawn"
    );
    // The optimum's ink and the recommended curve's orange are both there.
    for colour in [[0x1b, 0x1f, 0x24], [0xd5, 0x5e, 0x00]] {
        assert!(
            rgb.iter().filter(|pixel| **pixel == colour).count() > 200,
            "{colour:?}"
        );
    }
}

#[test]
fn a_page_loads_nothing_and_repeats_itself() {
    let page = text(&design(), Format::Html);
    for (at, _) in page.match_indices("http") {
        let rest = &page[at..];
        let allowed = rest.starts_with("http://www.w3.org/2000/svg")
            || rest.starts_with("https://arxiv.org/abs/2412.19792")
            || rest.starts_with("http-equiv");
        assert!(allowed, "{}", &rest[..rest.len().min(60)]);
    }
    for format in [Format::Html, Format::Svg, Format::Png] {
        assert_eq!(
            design_plot(&design(), format),
            design_plot(&design(), format)
        );
    }
}

#[test]
fn hostile_names_stay_text() {
    let hostile = "table:</script><script>alert(1)</script>\"'&\u{1}.csv";
    let mut design = design();
    design.procedure = hostile.to_owned();
    design.recommended.reason = hostile.to_owned();
    design.recommended.transform = hostile.to_owned();
    design.base_procedure.transform = hostile.to_owned();
    design.transforms[0].transform = hostile.to_owned();
    for point in design
        .points
        .iter_mut()
        .filter(|point| point.transform == "exp:10")
    {
        point.transform = hostile.to_owned();
    }
    let page = text(&design, Format::Html);
    assert!(!page.contains("<script>alert"));
    assert!(!page.contains("</script><script>"));
    let svg = text(&design, Format::Svg);
    assert!(!svg.contains("<script"));
    roxmltree::Document::parse(&svg).unwrap();
    design_plot(&design, Format::Png).unwrap();
}

#[test]
fn what_cannot_be_drawn_is_an_error() {
    let mut empty = design();
    empty.points.clear();
    assert!(matches!(
        design_plot(&empty, Format::Svg),
        Err(Error::Empty { name: "points", .. })
    ));
    let mut nan = design();
    nan.points[7].win_rate = f64::NAN;
    let error = design_plot(&nan, Format::Png).unwrap_err();
    assert!(
        matches!(
            error,
            Error::NotFinite {
                name: "win_rate",
                ..
            }
        ),
        "{error}"
    );
    let mut infinite = design();
    infinite.phi[3].optimum = f64::INFINITY;
    let error = design_plot(&infinite, Format::Html).unwrap_err();
    assert_eq!(
        error.to_string(),
        "optimum of phi[3] is inf: only finite numbers can be drawn"
    );
}

#[test]
fn small_designs_are_drawn() {
    let formats = [Format::Html, Format::Svg, Format::Png];
    let mut one = design();
    one.points.truncate(1);
    one.phi.clear();
    let mut zero = design();
    zero.kl = 0.0;
    for point in &mut zero.points {
        (point.kl, point.win_rate) = (0.0, 0.5);
    }
    zero.base_procedure.kl = 0.0;
    let mut far = design();
    far.kl = 8.0;
    for design in [one, zero, far] {
        for format in formats {
            design_plot(&design, format).unwrap();
        }
    }
}

#[test]
fn endings_name_formats() {
    assert_eq!(Format::of(Path::new("a/b.HTML")), Ok(Format::Html));
    assert_eq!(Format::of(Path::new("b.svg")), Ok(Format::Svg));
    assert_eq!(Format::of(Path::new("b.png")), Ok(Format::Png));
    let error = Format::of(Path::new("plot.pdf")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`plot.pdf` names no picture format: end it in .html, .svg or .png"
    );
}
