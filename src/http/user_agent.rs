//! Names of browser and system from a `User-Agent`. A guess: browsers pretend to be each other.

#[derive(Debug, PartialEq, Eq)]
pub struct Device {
    /// `Firefox on macOS`.
    pub name: String,
    /// An icon of `static/icons.svg`.
    pub icon: &'static str,
}

/// The first match counts: Edge names Chrome too, and Chrome names Safari.
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

/// The first match counts: Android names Linux too, and an iPhone names macOS.
const SYSTEMS: &[(&str, &str, &str)] = &[
    ("iPhone", "iPhone", "smartphone"),
    ("iPad", "iPad", "smartphone"),
    ("Android", "Android", "smartphone"),
    ("Windows", "Windows", "laptop"),
    ("CrOS", "ChromeOS", "laptop"),
    ("Mac OS X", "macOS", "laptop"),
    ("Linux", "Linux", "laptop"),
];

pub fn device(user_agent: &str) -> Device {
    let browser = BROWSERS.iter().find(|(token, _)| user_agent.contains(token)).map(|(_, name)| name);
    let system = SYSTEMS.iter().find(|(token, ..)| user_agent.contains(token));
    let name = match (browser, system) {
        (Some(browser), Some((_, system, _))) => format!("{browser} on {system}"),
        (Some(browser), None) => (*browser).to_owned(),
        (None, Some((_, system, _))) => format!("A browser on {system}"),
        (None, None) => "An unknown browser".to_owned(),
    };
    Device { name, icon: system.map_or("globe", |(.., icon)| icon) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_and_systems_are_named() {
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
        for (user_agent, name) in cases {
            assert_eq!(device(user_agent).name, name);
        }
    }
}
