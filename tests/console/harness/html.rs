//! Queries on HTML by CSS selector.
use scraper::{ElementRef, Html, Selector};

/// An element of a page, detached from its document.
#[derive(Clone, Debug)]
pub struct Element {
    /// The text within, with runs of white space as one space.
    pub text: String,
    /// The markup within.
    pub html: String,
    attributes: Vec<(String, String)>,
}

impl Element {
    fn new(element: ElementRef) -> Element {
        let text: String = element.text().collect();
        let attributes = element.value().attrs().map(|(name, value)| (name.to_owned(), value.to_owned()));
        Element {
            text: text.split_whitespace().collect::<Vec<_>>().join(" "),
            html: element.inner_html(),
            attributes: attributes.collect(),
        }
    }

    /// The value of an attribute, with entities resolved; empty if it is absent.
    pub fn attr(&self, name: &str) -> &str {
        self.attributes.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }
}

/// All elements of a document that match, in document order.
#[track_caller]
pub fn select(html: &str, css: &str) -> Vec<Element> {
    let selector = Selector::parse(css).unwrap_or_else(|error| panic!("{css}: {error:?}"));
    Html::parse_document(html).select(&selector).map(Element::new).collect()
}
