//! The invoice on paper: A4, our own font inside, its text selectable.
use super::Sheet;
use crate::error::{Error, Result};
use jiff::{Timestamp, tz::TimeZone};
use krilla::{
    Document as Pdf,
    color::rgb,
    geom::{PathBuilder, Point},
    metadata::{DateTime, Metadata, TextDirection as Reading},
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
/// Where the columns of numbers end.
const QUANTITY: f32 = 380.0;
const PRICE: f32 = 460.0;
/// How wide a description may be.
const DESCRIPTION: f32 = 210.0;

/// A weight of the font: to draw with, and to measure with.
struct Type {
    font: Font,
    face: Face<'static>,
}

fn types() -> Result<&'static (Type, Type)> {
    static TYPES: OnceLock<Option<(Type, Type)>> = OnceLock::new();
    let read = |bytes: &'static [u8]| {
        Some(Type { font: Font::new(bytes.into(), 0)?, face: Face::parse(bytes, 0).ok()? })
    };
    let types = TYPES.get_or_init(|| Some((read(REGULAR)?, read(SEMIBOLD)?)));
    types.as_ref().ok_or_else(|| Error::Internal("the font cannot be read".into()))
}

impl Type {
    fn width(&self, text: &str, size: f32) -> f32 {
        let advance = |it: char| {
            let glyph = self.face.glyph_index(it).unwrap_or_default();
            self.face.glyph_hor_advance(glyph).map_or(0.0, f32::from)
        };
        text.chars().map(advance).sum::<f32>() * size / f32::from(self.face.units_per_em())
    }
    /// A text in lines no wider than that; a word that is wider is cut.
    fn wrap(&self, text: &str, size: f32, room: f32) -> Vec<String> {
        let mut lines: Vec<String> = vec![];
        let mut line = String::new();
        for word in text.split_whitespace() {
            let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
            if self.width(&longer, size) <= room {
                line = longer;
                continue;
            }
            if !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            for sign in word.chars() {
                if !line.is_empty() && self.width(&format!("{line}{sign}"), size) > room {
                    lines.push(std::mem::take(&mut line));
                }
                line.push(sign);
            }
        }
        if !line.is_empty() || lines.is_empty() {
            lines.push(line);
        }
        lines
    }
}

/// Something that stands somewhere on a page.
enum Mark {
    Text { at: (f32, f32), bold: bool, size: f32, grey: bool, text: String },
    Rule(f32),
}

/// Pages as they fill.
struct Layout {
    pages: Vec<Vec<Mark>>,
    y: f32,
    types: &'static (Type, Type),
}

impl Layout {
    fn kind(&self, bold: bool) -> &'static Type {
        if bold { &self.types.1 } else { &self.types.0 }
    }
    fn mark(&mut self, mark: Mark) {
        if let Some(page) = self.pages.last_mut() {
            page.push(mark);
        }
    }
    fn left(&mut self, x: f32, y: f32, size: f32, (bold, grey): (bool, bool), text: &str) {
        self.mark(Mark::Text { at: (x, y), bold, size, grey, text: text.to_owned() });
    }
    fn right(&mut self, x: f32, y: f32, size: f32, (bold, grey): (bool, bool), text: &str) {
        let x = x - self.kind(bold).width(text, size);
        self.left(x, y, size, (bold, grey), text);
    }
    /// A column of lines; says where it ends.
    fn column(&mut self, x: f32, mut y: f32, room: f32, label: &str, lines: &[String]) -> f32 {
        self.left(x, y, 8.5, (false, true), label);
        y += 14.0;
        for (at, line) in lines.iter().enumerate() {
            for part in self.kind(at == 0).wrap(line, 9.5, room) {
                self.left(x, y, 9.5, (at == 0, false), &part);
                y += 13.5;
            }
        }
        y
    }
    fn head_of_table(&mut self) {
        let y = self.y;
        self.left(LEFT, y, 8.5, (false, true), "Description");
        self.right(QUANTITY, y, 8.5, (false, true), "Quantity");
        self.right(PRICE, y, 8.5, (false, true), "Unit price");
        self.right(RIGHT, y, 8.5, (false, true), "Amount");
        self.mark(Mark::Rule(y + 7.0));
        self.y += 22.0;
    }
    /// Room for so much, on a new page if need be.
    fn room(&mut self, height: f32, table: bool) {
        if self.y + height > BOTTOM {
            self.pages.push(vec![]);
            self.y = 64.0;
            if table {
                self.head_of_table();
            }
        }
    }
}

/// Draws it.
pub fn pdf(sheet: &Sheet<'_>) -> Result<Vec<u8>> {
    let types = types()?;
    let mut it = Layout { pages: vec![vec![]], y: 64.0, types };
    let title = sheet.title();
    it.left(LEFT, 72.0, 20.0, (true, false), &title);
    it.right(RIGHT, 72.0, 12.0, (true, false), &sheet.says(sheet.document.total()));
    let mut end = it.column(LEFT, 108.0, 160.0, "From", &sheet.seller());
    end = end.max(it.column(230.0, 108.0, 150.0, "Bill to", &sheet.buyer()));
    let mut y = 108.0;
    for (label, value) in sheet.facts() {
        it.left(400.0, y, 8.5, (false, true), label);
        let value = it.kind(false).wrap(&value, 9.5, 139.0);
        for part in value {
            y += 12.5;
            it.left(400.0, y, 9.5, (false, false), &part);
        }
        y += 17.0;
    }
    it.y = end.max(y) + 22.0;
    it.head_of_table();
    for line in sheet.lines() {
        let says = if line.team.is_empty() {
            line.description
        } else {
            format!("{} · {}", line.description, line.team)
        };
        let parts = it.kind(false).wrap(&says, 9.5, DESCRIPTION);
        let height = 13.5 * f32::from(u16::try_from(parts.len()).unwrap_or(1));
        it.room(height, true);
        let y = it.y;
        for (at, part) in parts.iter().enumerate() {
            it.left(LEFT, y + 13.5 * f32::from(u16::try_from(at).unwrap_or(0)), 9.5, (false, false), part);
        }
        it.right(QUANTITY, y, 9.5, (false, false), &line.quantity);
        it.right(PRICE, y, 9.5, (false, false), &line.unit_price);
        it.right(RIGHT, y, 9.5, (false, false), &line.amount);
        it.mark(Mark::Rule(y + height - 6.0));
        it.y += height + 6.0;
    }
    let sums = sheet.sums();
    it.room(18.0 * f32::from(u16::try_from(sums.len()).unwrap_or(1)) + 8.0, false);
    it.y += 8.0;
    for (at, (label, amount)) in sums.iter().enumerate() {
        let is_total = at + 1 == sums.len();
        let (y, size) = (it.y, if is_total { 11.0 } else { 9.5 });
        it.right(PRICE, y, size, (is_total, !is_total), label);
        it.right(RIGHT, y, size, (is_total, false), amount);
        it.y += 18.0;
    }
    if !sheet.pay_to().is_empty() {
        it.y += 14.0;
        let mut all = vec![format!("Please name {} when you pay.", sheet.number.unwrap_or_default())];
        all.extend(sheet.pay_to().iter().cloned());
        it.room(14.0 + 13.5 * f32::from(u16::try_from(all.len()).unwrap_or(1)), false);
        let y = it.y;
        it.column(LEFT, y, RIGHT - LEFT, "How to pay", &all);
    }
    write(sheet, &title, it.pages, types)
}

fn write(
    sheet: &Sheet<'_>,
    title: &str,
    pages: Vec<Vec<Mark>>,
    types: &'static (Type, Type),
) -> Result<Vec<u8>> {
    let mut pdf = Pdf::new();
    let at = Timestamp::from_microsecond(sheet.issued_at.0).unwrap_or_default().to_zoned(TimeZone::UTC);
    let part = |it: i8| u8::try_from(it).unwrap_or(0);
    let made =
        DateTime::new(u16::try_from(at.year()).unwrap_or(1970)).month(part(at.month())).day(part(at.day()));
    let made = made.hour(part(at.hour())).minute(part(at.minute())).second(part(at.second()));
    pdf.set_metadata(
        Metadata::new()
            .title(format!("{title} · {}", sheet.document.buyer()))
            .language("en".into())
            .authors(vec![sheet.document.seller.name.clone()])
            .creator("Guildhall".into())
            .creation_date(made)
            .text_direction(Reading::LeftToRight),
    );
    let count = pages.len();
    for (at, marks) in pages.into_iter().enumerate() {
        let size = PageSettings::from_wh(PAGE.0, PAGE.1).ok_or_else(|| Error::Internal("no page".into()))?;
        let mut page = pdf.start_page_with(size);
        let mut surface = page.surface();
        for mark in &marks {
            draw(&mut surface, mark, types);
        }
        let foot = format!("{title} · page {} of {count}", at + 1);
        let foot = Mark::Text { at: (LEFT, 806.0), bold: false, size: 8.0, grey: true, text: foot };
        draw(&mut surface, &foot, types);
        surface.finish();
        page.finish();
    }
    pdf.finish().map_err(|it| Error::Internal(format!("{it:?}")))
}

fn draw(surface: &mut Surface<'_>, mark: &Mark, types: &'static (Type, Type)) {
    let (ink, grey, hair) =
        (rgb::Color::new(24, 24, 22), rgb::Color::new(98, 96, 90), rgb::Color::new(221, 219, 212));
    match mark {
        Mark::Text { at, bold, size, grey: is_grey, text } => {
            let paint = if *is_grey { grey } else { ink };
            surface.set_stroke(None);
            surface.set_fill(Some(Fill {
                paint: paint.into(),
                opacity: NormalizedF32::ONE,
                ..Fill::default()
            }));
            let font = if *bold { &types.1.font } else { &types.0.font };
            surface.draw_text(
                Point::from_xy(at.0, at.1),
                font.clone(),
                *size,
                text,
                false,
                TextDirection::LeftToRight,
            );
        }
        Mark::Rule(y) => {
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
