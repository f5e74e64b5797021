//! A scene as PNG. Text is drawn with a font of pixels, so that no font has to be there.

use embedded_graphics::{
    Drawable, Pixel,
    draw_target::DrawTarget,
    geometry::{OriginDimensions, Point, Size},
    mono_font::{MonoTextStyle, iso_8859_1::FONT_6X13},
    pixelcolor::BinaryColor,
    text::{Alignment, Text},
};
use tiny_skia::{Color, FillRule, LineCap, LineJoin, Paint, PathBuilder, Pixmap, Rect, Stroke, StrokeDash, Transform};

use super::scene::{Anchor, Ink, Place, Scene, Shape};
use crate::detect::Severity;

/// Pixels of the picture for each of the scene, each way.
const SCALE: u16 = 2;

/// Black, grey for the grid, and those of [`Ink`].
type Rgb = (u8, u8, u8);
const TEXT: Rgb = (40, 40, 40);

/// The picture, on white.
pub(super) fn draw(scene: &Scene) -> Vec<u8> {
    let (width, height) = (u32::from(scene.width * SCALE), u32::from(scene.height * SCALE));
    let mut canvas = Canvas(Pixmap::new(width, height).expect("a scene has a width and a height"));
    canvas.0.fill(Color::WHITE);
    for shape in &scene.shapes {
        canvas.draw(shape);
    }
    canvas.0.encode_png().expect("it is written to memory")
}

struct Canvas(Pixmap);

impl Canvas {
    fn draw(&mut self, shape: &Shape) {
        match shape {
            Shape::Area { outline, ink } => self.fill(outline, *ink, 0.25),
            Shape::Lines { pieces, ink, dashed } => self.stroke(pieces, *ink, *dashed),
            Shape::Span {
                left,
                right,
                top,
                bottom,
                dot,
                ink,
                tip: _,
            } => {
                let corners = [(*left, *top), (*right, *top), (*right, *bottom), (*left, *bottom)];
                self.fill(&corners, *ink, 0.18);
                let circle = PathBuilder::from_circle(f32(dot.0), f32(dot.1), 3.5);
                if let Some(circle) = circle {
                    let paint = paint(*ink, 1.0);
                    self.0.fill_path(&circle, &paint, FillRule::Winding, scale(), None);
                }
            }
            Shape::Text { at, anchor, text } => self.text(*at, *anchor, text),
        }
    }

    fn fill(&mut self, outline: &[Place], ink: Ink, opacity: f32) {
        let mut path = PathBuilder::new();
        trace(&mut path, outline);
        path.close();
        if let Some(path) = path.finish() {
            self.0
                .fill_path(&path, &paint(ink, opacity), FillRule::Winding, scale(), None);
        }
    }

    fn stroke(&mut self, pieces: &[Vec<Place>], ink: Ink, dashed: bool) {
        let (width, opacity) = match ink {
            Ink::Grid => (1.0, 0.5),
            Ink::Samples => (1.25, 1.0),
            Ink::Band | Ink::Expected | Ink::Anomaly(_) => (1.0, 0.9),
        };
        let stroke = Stroke {
            width,
            line_cap: LineCap::Round,
            line_join: LineJoin::Round,
            dash: if dashed {
                StrokeDash::new(vec![5.0, 3.0], 0.0)
            } else {
                None
            },
            ..Stroke::default()
        };
        let paint = paint(ink, opacity);
        for piece in pieces {
            let mut path = PathBuilder::new();
            if let &[(x, y)] = piece.as_slice() {
                path.push_circle(f32(x), f32(y), width / 2.0);
                if let Some(dot) = path.finish() {
                    self.0.fill_path(&dot, &paint, FillRule::Winding, scale(), None);
                }
                continue;
            }
            trace(&mut path, piece);
            if let Some(path) = path.finish() {
                self.0.stroke_path(&path, &paint, &stroke, scale(), None);
            }
        }
    }

    fn text(&mut self, at: Place, anchor: Anchor, text: &str) {
        let alignment = match anchor {
            Anchor::Start => Alignment::Left,
            Anchor::Middle => Alignment::Center,
            Anchor::End => Alignment::Right,
        };
        let at = Point::new(pixel(at.0), pixel(at.1));
        let style = MonoTextStyle::new(&FONT_6X13, BinaryColor::On);
        let Ok(_) = Text::with_alignment(text, at, style, alignment).draw(self);
    }
}

/// Takes the pixels of text, at the size of the scene.
impl DrawTarget for Canvas {
    type Color = BinaryColor;
    type Error = std::convert::Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<BinaryColor>>>(&mut self, pixels: I) -> Result<(), Self::Error> {
        let mut paint = Paint::default();
        paint.set_color_rgba8(TEXT.0, TEXT.1, TEXT.2, 255);
        paint.anti_alias = false;
        for Pixel(at, _) in pixels.into_iter().filter(|Pixel(_, color)| color.is_on()) {
            #[expect(clippy::cast_precision_loss, reason = "pixels")]
            let dot = Rect::from_xywh(at.x as f32, at.y as f32, 1.0, 1.0);
            if let Some(dot) = dot {
                self.0.fill_rect(dot, &paint, scale(), None);
            }
        }
        Ok(())
    }
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        let scale = u32::from(SCALE);
        Size::new(self.0.width() / scale, self.0.height() / scale)
    }
}

fn trace(path: &mut PathBuilder, places: &[Place]) {
    for (place, &(x, y)) in places.iter().enumerate() {
        if place == 0 {
            path.move_to(f32(x), f32(y));
        } else {
            path.line_to(f32(x), f32(y));
        }
    }
}

fn paint(ink: Ink, opacity: f32) -> Paint<'static> {
    let (red, green, blue) = match ink {
        Ink::Grid => (200, 200, 200),
        Ink::Band | Ink::Expected => (47, 143, 87),
        Ink::Samples => (42, 111, 187),
        Ink::Anomaly(Severity::Info) => (112, 100, 196),
        Ink::Anomaly(Severity::Warning) => (214, 122, 8),
        Ink::Anomaly(Severity::Critical) => (210, 40, 40),
    };
    let mut color = Color::from_rgba8(red, green, blue, 255);
    color.set_alpha(opacity);
    let mut paint = Paint::default();
    paint.set_color(color);
    paint
}

fn scale() -> Transform {
    Transform::from_scale(SCALE.into(), SCALE.into())
}

#[expect(clippy::cast_possible_truncation, reason = "pixels")]
fn f32(number: f64) -> f32 {
    number as f32
}

#[expect(clippy::cast_possible_truncation, reason = "pixels")]
fn pixel(number: f64) -> i32 {
    number.round() as i32
}
