//! The invoice as PDF: A4, with our own font embedded and selectable text.
use super::InvoiceView;
use crate::error::{Error, Result};
use jiff::{Timestamp, tz::TimeZone};
use krilla::{
    Document as Pdf,
    color::rgb,
    geom::{PathBuilder, Point},
    metadata::{DateTime, Metadata, TextDirection as ReadingDirection},
    num::NormalizedF32,
    page::PageSettings,
    paint::{Fill, Stroke},
    surface::Surface,
    text::{Font, TextDirection},
};
use std::sync::OnceLock;
use ttf_parser::Face;

static REGULAR: &[u8] = include_bytes!("../../../fonts/inter-regular.ttf");
static SEMIBOLD: &[u8] = include_bytes!("../../../fonts/inter-semibold.ttf");

/// A4, in points.
const PAGE: (f32, f32) = (595.0, 842.0);
const LEFT: f32 = 56.0;
const RIGHT: f32 = 539.0;
const BOTTOM: f32 = 770.0;
/// Right edges of the columns of numbers.
const QUANTITY: f32 = 380.0;
const PRICE: f32 = 460.0;
/// The width of a description.
const DESCRIPTION: f32 = 210.0;

/// One weight of the font: for drawing, and for measuring.
struct Typeface {
    font: Font,
    face: Face<'static>,
}

fn typefaces() -> Result<&'static (Typeface, Typeface)> {
    static TYPEFACES: OnceLock<Option<(Typeface, Typeface)>> = OnceLock::new();
    let read = |bytes: &'static [u8]| {
        Some(Typeface { font: Font::new(bytes.into(), 0)?, face: Face::parse(bytes, 0).ok()? })
    };
    let typefaces = TYPEFACES.get_or_init(|| Some((read(REGULAR)?, read(SEMIBOLD)?)));
    typefaces.as_ref().ok_or_else(|| Error::Internal("the font cannot be read".into()))
}

impl Typeface {
    fn width(&self, text: &str, size: f32) -> f32 {
        let advance = |char: char| {
            let glyph = self.face.glyph_index(char).unwrap_or_default();
            self.face.glyph_hor_advance(glyph).map_or(0.0, f32::from)
        };
        text.chars().map(advance).sum::<f32>() * size / f32::from(self.face.units_per_em())
    }
    /// Breaks a text into lines of at most `max_width`; a wider word is cut.
    fn wrap(&self, text: &str, size: f32, max_width: f32) -> Vec<String> {
        let mut lines: Vec<String> = vec![];
        let mut line = String::new();
        for word in text.split_whitespace() {
            let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
            if self.width(&longer, size) <= max_width {
                line = longer;
                continue;
            }
            if !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            for char in word.chars() {
                if !line.is_empty() && self.width(&format!("{line}{char}"), size) > max_width {
                    lines.push(std::mem::take(&mut line));
                }
                line.push(char);
            }
        }
        if !line.is_empty() || lines.is_empty() {
            lines.push(line);
        }
        lines
    }
}

/// Something drawn on a page, at coordinates from its top left corner.
enum Shape {
    Text { position: (f32, f32), bold: bool, size: f32, grey: bool, text: String },
    Rule(f32),
}

struct Layout {
    pages: Vec<Vec<Shape>>,
    y: f32,
    typefaces: &'static (Typeface, Typeface),
}

impl Layout {
    fn typeface(&self, bold: bool) -> &'static Typeface {
        if bold { &self.typefaces.1 } else { &self.typefaces.0 }
    }
    fn add(&mut self, shape: Shape) {
        if let Some(page) = self.pages.last_mut() {
            page.push(shape);
        }
    }
    fn left(&mut self, x: f32, y: f32, size: f32, (bold, grey): (bool, bool), text: &str) {
        self.add(Shape::Text { position: (x, y), bold, size, grey, text: text.to_owned() });
    }
    fn right(&mut self, x: f32, y: f32, size: f32, (bold, grey): (bool, bool), text: &str) {
        let x = x - self.typeface(bold).width(text, size);
        self.left(x, y, size, (bold, grey), text);
    }
    /// A labelled column of lines. Returns where it ends.
    fn column(&mut self, x: f32, mut y: f32, max_width: f32, label: &str, lines: &[String]) -> f32 {
        self.left(x, y, 8.5, (false, true), label);
        y += 14.0;
        for (position, line) in lines.iter().enumerate() {
            for part in self.typeface(position == 0).wrap(line, 9.5, max_width) {
                self.left(x, y, 9.5, (position == 0, false), &part);
                y += 13.5;
            }
        }
        y
    }
    fn table_head(&mut self) {
        let y = self.y;
        self.left(LEFT, y, 8.5, (false, true), "Description");
        self.right(QUANTITY, y, 8.5, (false, true), "Quantity");
        self.right(PRICE, y, 8.5, (false, true), "Unit price");
        self.right(RIGHT, y, 8.5, (false, true), "Amount");
        self.add(Shape::Rule(y + 7.0));
        self.y += 22.0;
    }
    /// Begins a new page if less than `height` is left on this one.
    fn reserve(&mut self, height: f32, in_table: bool) {
        if self.y + height > BOTTOM {
            self.pages.push(vec![]);
            self.y = 64.0;
            if in_table {
                self.table_head();
            }
        }
    }
}

pub fn pdf(invoice: &InvoiceView<'_>) -> Result<Vec<u8>> {
    let typefaces = typefaces()?;
    let mut layout = Layout { pages: vec![vec![]], y: 64.0, typefaces };
    let title = invoice.title();
    layout.left(LEFT, 72.0, 20.0, (true, false), &title);
    layout.right(RIGHT, 72.0, 12.0, (true, false), &invoice.format(invoice.document.total()));
    let mut end = layout.column(LEFT, 108.0, 160.0, "From", &invoice.seller());
    end = end.max(layout.column(230.0, 108.0, 150.0, "Bill to", &invoice.buyer()));
    let mut y = 108.0;
    for (label, value) in invoice.facts() {
        layout.left(400.0, y, 8.5, (false, true), label);
        let value = layout.typeface(false).wrap(&value, 9.5, 139.0);
        for part in value {
            y += 12.5;
            layout.left(400.0, y, 9.5, (false, false), &part);
        }
        y += 17.0;
    }
    layout.y = end.max(y) + 22.0;
    layout.table_head();
    for line in invoice.lines() {
        let description = if line.team.is_empty() {
            line.description
        } else {
            format!("{} · {}", line.description, line.team)
        };
        let parts = layout.typeface(false).wrap(&description, 9.5, DESCRIPTION);
        let height = 13.5 * f32::from(u16::try_from(parts.len()).unwrap_or(1));
        layout.reserve(height, true);
        let y = layout.y;
        for (position, part) in parts.iter().enumerate() {
            layout.left(
                LEFT,
                y + 13.5 * f32::from(u16::try_from(position).unwrap_or(0)),
                9.5,
                (false, false),
                part,
            );
        }
        layout.right(QUANTITY, y, 9.5, (false, false), &line.quantity);
        layout.right(PRICE, y, 9.5, (false, false), &line.unit_price);
        layout.right(RIGHT, y, 9.5, (false, false), &line.amount);
        layout.add(Shape::Rule(y + height - 6.0));
        layout.y += height + 6.0;
    }
    let sums = invoice.sums();
    layout.reserve(18.0 * f32::from(u16::try_from(sums.len()).unwrap_or(1)) + 8.0, false);
    layout.y += 8.0;
    for (position, (label, amount)) in sums.iter().enumerate() {
        let is_total = position + 1 == sums.len();
        let (y, size) = (layout.y, if is_total { 11.0 } else { 9.5 });
        layout.right(PRICE, y, size, (is_total, !is_total), label);
        layout.right(RIGHT, y, size, (is_total, false), amount);
        layout.y += 18.0;
    }
    if !invoice.pay_to().is_empty() {
        layout.y += 14.0;
        let mut lines = vec![format!("Please name {} when you pay.", invoice.number.unwrap_or_default())];
        lines.extend(invoice.pay_to().iter().cloned());
        layout.reserve(14.0 + 13.5 * f32::from(u16::try_from(lines.len()).unwrap_or(1)), false);
        let y = layout.y;
        layout.column(LEFT, y, RIGHT - LEFT, "How to pay", &lines);
    }
    write(invoice, &title, layout.pages, typefaces)
}

fn write(
    invoice: &InvoiceView<'_>,
    title: &str,
    pages: Vec<Vec<Shape>>,
    typefaces: &'static (Typeface, Typeface),
) -> Result<Vec<u8>> {
    let mut pdf = Pdf::new();
    let issued = Timestamp::from_microsecond(invoice.issued_at.0).unwrap_or_default().to_zoned(TimeZone::UTC);
    let part = |number: i8| u8::try_from(number).unwrap_or(0);
    let created = DateTime::new(u16::try_from(issued.year()).unwrap_or(1970))
        .month(part(issued.month()))
        .day(part(issued.day()));
    let created =
        created.hour(part(issued.hour())).minute(part(issued.minute())).second(part(issued.second()));
    pdf.set_metadata(
        Metadata::new()
            .title(format!("{title} · {}", invoice.document.buyer()))
            .language("en".into())
            .authors(vec![invoice.document.seller.name.clone()])
            .creator("Guildhall".into())
            .creation_date(created)
            .text_direction(ReadingDirection::LeftToRight),
    );
    let count = pages.len();
    for (position, shapes) in pages.into_iter().enumerate() {
        let size = PageSettings::from_wh(PAGE.0, PAGE.1)
            .ok_or_else(|| Error::Internal("the page size is invalid".into()))?;
        let mut page = pdf.start_page_with(size);
        let mut surface = page.surface();
        for shape in &shapes {
            draw(&mut surface, shape, typefaces);
        }
        let foot = format!("{title} · page {} of {count}", position + 1);
        let foot = Shape::Text { position: (LEFT, 806.0), bold: false, size: 8.0, grey: true, text: foot };
        draw(&mut surface, &foot, typefaces);
        surface.finish();
        page.finish();
    }
    pdf.finish().map_err(|error| Error::Internal(format!("{error:?}")))
}

fn draw(surface: &mut Surface<'_>, shape: &Shape, typefaces: &'static (Typeface, Typeface)) {
    let (ink, grey, hair) =
        (rgb::Color::new(24, 24, 22), rgb::Color::new(98, 96, 90), rgb::Color::new(221, 219, 212));
    match shape {
        Shape::Text { position, bold, size, grey: is_grey, text } => {
            let paint = if *is_grey { grey } else { ink };
            surface.set_stroke(None);
            surface.set_fill(Some(Fill {
                paint: paint.into(),
                opacity: NormalizedF32::ONE,
                ..Fill::default()
            }));
            let font = if *bold { &typefaces.1.font } else { &typefaces.0.font };
            surface.draw_text(
                Point::from_xy(position.0, position.1),
                font.clone(),
                *size,
                text,
                false,
                TextDirection::LeftToRight,
            );
        }
        Shape::Rule(y) => {
            let mut path = PathBuilder::new();
            path.move_to(LEFT, *y);
            path.line_to(RIGHT, *y);
            if let Some(path) = path.finish() {
                surface.set_fill(None);
                surface.set_stroke(Some(Stroke { paint: hair.into(), width: 0.6, ..Stroke::default() }));
                surface.draw_path(&path);
            }
        }
    }
}
