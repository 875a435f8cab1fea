//! A real browser, driven through `WebDriver` as a user would: by the accessible names on the page.
//!
//! Every call waits up to ten seconds for what it needs, and panics with what it saw instead.

mod process;
mod tests;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use axum::http::Method;
use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::elements::{Element, ElementRef};
use fantoccini::error::CmdError;
use fantoccini::key::Key;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use process::{chromedriver, setting};
use serde_json::{Value, json};

use crate::harness::scaled;

const PAGE: &str = include_str!("driver/page.js");

/// The preferred colour scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    Light,
    Dark,
}

/// A window with its own cookies. It closes when dropped.
pub struct Browser {
    client: Client,
    session: String,
}

impl Browser {
    /// A window of this width in pixels. Below 600 it emulates a phone.
    pub async fn open(theme: Theme, width: u32) -> Self {
        Self::start(theme, width, json!({})).await
    }

    /// A window with JavaScript disabled.
    pub async fn without_script(theme: Theme, width: u32) -> Self {
        Self::start(theme, width, json!({ "profile.managed_default_content_settings.javascript": 2 })).await
    }

    async fn start(theme: Theme, width: u32, prefs: Value) -> Self {
        let args = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ];
        let wanted = json!({
            "goog:chromeOptions": { "binary": setting("CHROMIUM"), "args": args, "prefs": prefs },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(wanted.as_object().unwrap().clone())
            .connect(&format!("http://127.0.0.1:{}", chromedriver().port))
            .await
            .expect("Chromium starts");
        let session = client.session_id().await.unwrap().unwrap();
        let browser = Self { client, session };

        // No window is as narrow as a phone, so the width is emulated. Reduced motion turns animations off, so that
        // no click lands on something that still moves.
        let theme = if theme == Theme::Dark { "dark" } else { "light" };
        let phone = width < 600;
        // Tall, so that a sticky bar at the bottom covers nothing that axe measures.
        let height = if phone { 844 } else { 2400 };
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone });
        let media = json!({ "features": [
            { "name": "prefers-color-scheme", "value": theme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ] });
        for (cmd, params) in
            [("Emulation.setDeviceMetricsOverride", size), ("Emulation.setEmulatedMedia", media)]
        {
            browser.post("goog/cdp/execute", json!({ "cmd": cmd, "params": params })).await;
        }
        browser
    }

    /// Adds a virtual authenticator with discoverable credentials and user verification. Answers its id.
    pub async fn add_authenticator(&self) -> String {
        let options = json!({
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": true, "hasUserVerification": true,
            "isUserConsenting": true, "isUserVerified": true,
        });
        self.post("webauthn/authenticator", options).await.as_str().unwrap().to_owned()
    }

    /// Sets whether the authenticator verifies its user from now on.
    pub async fn set_user_verified(&self, authenticator: &str, is_verified: bool) {
        let body = json!({ "isUserVerified": is_verified });
        self.post(&format!("webauthn/authenticator/{authenticator}/uv"), body).await;
    }

    /// Deletes a cookie of this site.
    pub async fn delete_cookie(&self, cookie: &str) {
        self.client.delete_cookie(cookie).await.unwrap();
    }

    /// The visible text of the element with this id.
    pub async fn text_of(&self, id: &str) -> String {
        self.client.find(Locator::Id(id)).await.unwrap().text().await.unwrap()
    }

    pub async fn goto(&self, url: &str) {
        self.client.goto(url).await.unwrap_or_else(|error| panic!("cannot open {url}: {error}"));
    }

    pub async fn url(&self) -> String {
        self.client.current_url().await.unwrap().to_string()
    }

    /// Clicks the only button, link, menu item, tab, checkbox or option with this name.
    pub async fn click(&self, name: &str) {
        self.click_within(name, None).await;
    }

    /// Like [`Browser::click`], in the row, list item, card or form that shows `text`.
    pub async fn click_beside(&self, text: &str, name: &str) {
        self.click_within(name, Some(text)).await;
    }

    async fn click_within(&self, name: &str, beside: Option<&str>) {
        retry(async || {
            let element = self.find("action", name, beside).await?;
            element.click().await.map_err(|error| format!("cannot click “{name}”: {error}"))
        })
        .await;
    }

    /// Replaces the content of the field with this label.
    pub async fn fill(&self, label: &str, value: &str) {
        retry(async || {
            let field = self.find("field", label, None).await?;
            let filled = if field.attr("type").await.ok().flatten().as_deref() == Some("date") {
                // How a date is typed depends on the locale.
                self.run("setDate", vec![serde_json::to_value(&field).unwrap(), json!(value)]).await.map(drop)
            } else {
                match field.clear().await {
                    Ok(()) => field.send_keys(value).await,
                    error => error,
                }
            };
            filled.map_err(|error| format!("cannot fill “{label}”: {error}"))
        })
        .await;
    }

    /// Chooses an option of the select with this label.
    pub async fn select(&self, label: &str, option: &str) {
        retry(async || {
            let select = self.find("field", label, None).await?;
            let chosen = select.select_by_label(option).await;
            chosen.map_err(|error| format!("cannot choose “{option}” in “{label}”: {error}"))
        })
        .await;
    }

    /// Presses keys on the focused element: `Tab`, `Enter`, `Control+k`, `/`.
    pub async fn press(&self, keys: &str) {
        let keys: Vec<char> = keys.split('+').map(key).collect();
        let mut actions = KeyActions::new("keyboard".to_owned());
        for &value in &keys {
            actions = actions.then(KeyAction::Down { value });
        }
        for &value in keys.iter().rev() {
            actions = actions.then(KeyAction::Up { value });
        }
        self.client.perform_actions(actions).await.unwrap();
    }

    /// The accessible name of the focused element.
    pub async fn focused(&self) -> String {
        let element = self.client.active_element().await.unwrap();
        self.name_of(&element).await.unwrap()
    }

    /// The visible text of the main element.
    pub async fn main(&self) -> String {
        self.run("main", vec![]).await.unwrap().as_str().unwrap().to_owned()
    }

    /// Waits until the page shows a text.
    pub async fn wait_for(&self, text: &str) {
        retry(async || {
            let shown = self.run("shown", vec![]).await.map_err(|error| error.to_string())?;
            let shown = shown.as_str().unwrap_or_default();
            if shown.contains(text) {
                Ok(())
            } else {
                Err(format!("“{text}” is not on the page:\n{shown}"))
            }
        })
        .await;
    }

    /// Saves a picture of the window.
    pub async fn screenshot(&self, file: &Path) {
        std::fs::write(file, self.client.screenshot().await.unwrap()).unwrap();
    }

    /// The violations that axe finds: WCAG 2.0 to 2.2, A and AA, and its best practices. Needs JavaScript.
    pub async fn axe(&self) -> Vec<String> {
        let axe = std::fs::read_to_string(setting("AXE")).unwrap();
        self.client.execute(&axe, vec![]).await.unwrap();
        let run = format!("{PAGE}\naxe(arguments[0]);");
        strings(&self.client.execute_async(&run, vec![]).await.unwrap())
    }

    /// How many pixels the page is wider than its window, so that a user would have to scroll sideways.
    pub async fn overflow(&self) -> i64 {
        self.run("overflow", vec![]).await.unwrap().as_i64().unwrap()
    }

    /// The errors in the console since the last call: of scripts, the network and the content security policy.
    pub async fn console_errors(&self) -> Vec<String> {
        let entries = self.post("se/log", json!({ "type": "browser" })).await;
        let severe = entries.as_array().unwrap().iter().filter(|entry| entry["level"] == "SEVERE");
        severe.map(|entry| entry["message"].as_str().unwrap().to_owned()).collect()
    }

    async fn find(&self, kind: &str, name: &str, beside: Option<&str>) -> Result<Element, String> {
        let args = vec![json!(kind), json!(name), json!(beside)];
        let found = self.run("candidates", args).await.map_err(|error| error.to_string())?;
        let (mut exact, mut other) = (Vec::new(), Vec::new());
        for reference in found.as_array().into_iter().flatten() {
            let reference =
                reference.as_object().and_then(|object| object.values().next()).and_then(Value::as_str);
            let reference = ElementRef::from(reference.unwrap().to_owned());
            let element = Element::from_element_id(self.client.clone(), reference);
            let its_name = self.name_of(&element).await.map_err(|error| error.to_string())?;
            if its_name == name { exact.push(element) } else { other.push(its_name) }
        }
        let place = beside.map_or(String::new(), |text| format!(" beside “{text}”"));
        match exact.len() {
            1 => Ok(exact.remove(0)),
            0 => Err(format!("no {kind} is called “{name}”{place}; similar: {other:?}")),
            many => Err(format!("{many} of kind {kind} are called “{name}”{place}: use click_beside")),
        }
    }

    /// The accessible name, as the browser computes it.
    async fn name_of(&self, element: &Element) -> Result<String, CmdError> {
        let path = format!("element/{}/computedlabel", element.element_id());
        let name = self.client.issue_cmd(Call { method: Method::GET, path, body: None }).await?;
        Ok(name.as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" "))
    }

    async fn run(&self, function: &str, args: Vec<Value>) -> Result<Value, CmdError> {
        self.client.execute(&format!("{PAGE}\nreturn {function}(...arguments);"), args).await
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let call = Call { method: Method::POST, path: path.to_owned(), body: Some(body.to_string()) };
        self.client.issue_cmd(call).await.unwrap()
    }
}

impl Drop for Browser {
    /// Done here and not by the client, because the runtime of a failed test does not run what the client would spawn.
    fn drop(&mut self) {
        if let Ok(mut driver) = TcpStream::connect(("127.0.0.1", chromedriver().port)) {
            let goodbye = format!(
                "DELETE /session/{} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                self.session
            );
            // An error here has no consequence. A response is the sign that Chromium has ended.
            let _ = driver.set_read_timeout(Some(patience()));
            let _ = driver.write_all(goodbye.as_bytes());
            let _ = driver.read(&mut [0]);
        }
    }
}

/// A command of the `WebDriver` protocol that the client has no method for.
#[derive(Debug)]
struct Call {
    method: Method,
    path: String,
    body: Option<String>,
}

impl WebDriverCompatibleCommand for Call {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &url::Url) -> (Method, Option<String>) {
        (self.method.clone(), self.body.clone())
    }
}

/// How long a page may take to show what a test waits for.
fn patience() -> Duration {
    scaled(Duration::from_secs(10))
}

/// Repeats an attempt until it succeeds; panics with its last error.
async fn retry(attempt: impl AsyncFn() -> Result<(), String>) {
    let start = Instant::now();
    while let Err(error) = attempt().await {
        assert!(start.elapsed() < patience(), "{error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn key(name: &str) -> char {
    match name {
        "Tab" => Key::Tab.into(),
        "Enter" => Key::Enter.into(),
        "Escape" => Key::Escape.into(),
        "Space" => ' ',
        "Backspace" => Key::Backspace.into(),
        "Up" => Key::Up.into(),
        "Down" => Key::Down.into(),
        "Left" => Key::Left.into(),
        "Right" => Key::Right.into(),
        "Home" => Key::Home.into(),
        "End" => Key::End.into(),
        "Control" => Key::Control.into(),
        "Shift" => Key::Shift.into(),
        other => {
            let mut characters = other.chars();
            match (characters.next(), characters.next()) {
                (Some(one), None) => one,
                _ => panic!("no key is called “{other}”"),
            }
        }
    }
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect()
}
