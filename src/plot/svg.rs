//! A scene as SVG.

use std::fmt::{self, Display, Write};

use super::scene::{Anchor, Ink, Place, Scene, Shape};
use crate::{detect::Severity, report::markup};

/// The picture, one shape a line.
pub(super) fn draw(scene: &Scene) -> String {
    let Scene { width, height, .. } = scene;
    let name = markup(&scene.name);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         role=\"img\" aria-label=\"{name}\" font-family=\"system-ui, sans-serif\" font-size=\"11\">\n"
    );
    for shape in &scene.shapes {
        draw_shape(&mut svg, shape).expect("a String takes it");
    }
    svg.push_str("</svg>\n");
    svg
}

fn draw_shape(svg: &mut String, shape: &Shape) -> fmt::Result {
    match shape {
        Shape::Area { outline, ink } => {
            writeln!(
                svg,
                "<path fill=\"{}\" fill-opacity=\".25\" d=\"{}Z\"/>",
                colour(*ink),
                path(outline)
            )
        }
        Shape::Lines { pieces, ink, dashed } => {
            let (width, opacity) = match ink {
                Ink::Grid => (1.0, 0.15),
                Ink::Samples => (1.25, 1.0),
                Ink::Band | Ink::Expected | Ink::Anomaly(_) => (1.0, 0.9),
            };
            let dashes = if *dashed { " stroke-dasharray=\"5 3\"" } else { "" };
            write!(
                svg,
                "<path fill=\"none\" stroke=\"{}\" stroke-width=\"{width}\" stroke-opacity=\"{opacity}\" \
                 stroke-linejoin=\"round\" stroke-linecap=\"round\"{dashes} d=\"",
                colour(*ink)
            )?;
            for piece in pieces {
                svg.push_str(&path(piece));
                if piece.len() == 1 {
                    // A line of no length is a dot, as its ends are round.
                    svg.push_str("h0");
                }
            }
            svg.push_str("\"/>\n");
            Ok(())
        }
        Shape::Span {
            left,
            right,
            top,
            bottom,
            dot,
            ink,
            tip,
        } => writeln!(
            svg,
            "<g fill=\"{}\"><title>{}</title><rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\" \
             fill-opacity=\".18\"/><circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.5\"/></g>",
            colour(*ink),
            markup(tip),
            right - left,
            bottom - top,
            dot.0,
            dot.1,
        ),
        Shape::Text { at, anchor, text } => {
            let anchor = match anchor {
                Anchor::Start => "start",
                Anchor::Middle => "middle",
                Anchor::End => "end",
            };
            writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\" fill=\"currentColor\">{}</text>",
                at.0,
                at.1,
                markup(text)
            )
        }
    }
}

/// With tenths of pixels, and each number only where it changes.
fn path(places: &[Place]) -> String {
    let mut path = String::new();
    let mut before = None;
    for &(x, y) in places {
        let (x, y) = (tenths(x), tenths(y));
        match before {
            None => write!(path, "M{x},{y}"),
            Some((left, top)) if left == x && top == y => Ok(()),
            Some((left, _)) if left == x => write!(path, "V{y}"),
            Some((_, top)) if top == y => write!(path, "H{x}"),
            Some(_) => write!(path, "L{x},{y}"),
        }
        .expect("a String takes it");
        before = Some((x, y));
    }
    path
}

/// Pixels in tenths.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Tenths(i32);

#[expect(clippy::cast_possible_truncation, reason = "pixels")]
fn tenths(pixels: f64) -> Tenths {
    Tenths((pixels * 10.0).round() as i32)
}

impl Display for Tenths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0.div_euclid(10), self.0.rem_euclid(10));
        match part {
            0 => write!(f, "{whole}"),
            _ => write!(f, "{whole}.{part}"),
        }
    }
}

fn colour(ink: Ink) -> &'static str {
    match ink {
        Ink::Grid => "currentColor",
        Ink::Band => "var(--plot-band, #3fa66b)",
        Ink::Expected => "var(--plot-expected, #3fa66b)",
        Ink::Samples => "var(--plot-samples, #4a90d9)",
        Ink::Anomaly(Severity::Info) => "var(--plot-info, #8a7fd1)",
        Ink::Anomaly(Severity::Warning) => "var(--plot-warning, #e08a1e)",
        Ink::Anomaly(Severity::Critical) => "var(--plot-critical, #dc3c3c)",
    }
}
