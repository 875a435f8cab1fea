//! What a browser calls itself, in plain words. A guess: browsers name each other.

/// A browser on a system.
#[derive(Debug, PartialEq, Eq)]
pub struct Device {
    /// `Firefox on macOS`.
    pub name: String,
    /// A glyph of `static/icons.svg`.
    pub icon: &'static str,
}

/// The first that is named counts: Edge calls itself Chrome too, and Chrome calls itself Safari.
const BROWSERS: &[(&str, &str)] = &[
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
];

/// Android calls itself Linux too, and an iPhone is like a Mac.
const SYSTEMS: &[(&str, &str, &str)] = &[
    ("iPhone", "iPhone", "smartphone"),
    ("iPad", "iPad", "smartphone"),
    ("Android", "Android", "smartphone"),
    ("Windows", "Windows", "laptop"),
    ("CrOS", "ChromeOS", "laptop"),
    ("Mac OS X", "macOS", "laptop"),
    ("Linux", "Linux", "laptop"),
];

/// What is behind a `User-Agent`.
pub fn device(agent: &str) -> Device {
    let browser = BROWSERS.iter().find(|it| agent.contains(it.0)).map(|it| it.1);
    let system = SYSTEMS.iter().find(|it| agent.contains(it.0));
    let name = match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser} on {}", system.1),
        (Some(browser), None) => browser.to_owned(),
        (None, Some(system)) => format!("A browser on {}", system.1),
        (None, None) => "An unknown browser".to_owned(),
    };
    Device { name, icon: system.map_or("globe", |it| it.2) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_known_by_the_names_that_people_use() {
        let cases = [
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:143.0) Gecko/20100101 Firefox/143.0",
                "Firefox on macOS",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
                "Chrome on Windows",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
                "Safari on iPhone",
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36",
                "Chrome on Android",
            ),
            ("Something (X11; Linux x86_64)", "A browser on Linux"),
            ("curl/8.14.1", "curl"),
            ("", "An unknown browser"),
        ];
        for (agent, name) in cases {
            assert_eq!(device(agent).name, name);
        }
    }
}
