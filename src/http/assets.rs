//! The files of `static/`: inside the program, named by their content, so that a browser keeps them for ever.
use std::io::Write as _;
use std::sync::{LazyLock, OnceLock};

use axum::Router;
use axum::body::Bytes;
use axum::extract::Path;
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use brotli::enc::BrotliEncoderParams;
use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};

/// Where `static/` is served, whatever the file.
pub const PATHS: [&str; 2] = ["/static/{file}", "/favicon.ico"];

/// What serves it.
pub fn routes() -> Router {
    let [files, icon] = PATHS;
    Router::new().route(files, get(file)).route(icon, get(favicon))
}

/// The address of a file of `static/`. A name that is not there is a mistake in a template, and a test finds it.
pub fn url(name: &str) -> &'static str {
    &find(name).url
}

/// The address of all icons: each is a part of it by its name.
pub fn icons() -> &'static str {
    static ICONS: LazyLock<&'static str> = LazyLock::new(|| url("icons.svg"));
    *ICONS
}

async fn file(Path(file): Path<String>, headers: HeaderMap) -> Response {
    match ASSETS.iter().find(|asset| asset.file() == file) {
        Some(asset) => asset.answer(&headers, "public, max-age=31536000, immutable"),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn favicon(headers: HeaderMap) -> Response {
    find("favicon.svg").answer(&headers, "public, max-age=86400")
}

fn find(name: &str) -> &'static Asset {
    ASSETS.iter().find(|asset| asset.name == name).unwrap_or_else(|| panic!("static/{name} does not exist"))
}

#[derive(RustEmbed)]
#[folder = "static/"]
struct Static;

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    let (sheets, others): (Vec<_>, Vec<_>) = Static::iter().partition(|name| name.ends_with(".css"));
    let mut assets: Vec<Asset> = others.iter().map(|name| Asset::new(name, read(name))).collect();
    // Sheets last: their hash covers the hashes of what they refer to.
    for name in sheets {
        let mut sheet = String::from_utf8_lossy(&read(&name)).into_owned();
        for asset in &assets {
            sheet = sheet.replace(&format!("url({})", asset.name), &format!("url({})", asset.file()));
        }
        assets.push(Asset::new(&name, sheet.into()));
    }
    assets
});

fn read(name: &str) -> Bytes {
    let file = Static::get(name).expect("a name that was just listed");
    file.data.into_owned().into()
}

struct Asset {
    name: String,
    url: String,
    etag: HeaderValue,
    kind: &'static str,
    body: Bytes,
    brotli: OnceLock<Bytes>,
    gzip: OnceLock<Bytes>,
}

impl Asset {
    fn new(name: &str, body: Bytes) -> Self {
        let (stem, extension) = name.rsplit_once('.').expect("a file of static/ has an extension");
        let hash = Sha256::digest(&body);
        let hash = format!("{:02x}{:02x}{:02x}{:02x}", hash[0], hash[1], hash[2], hash[3]);
        Asset {
            name: name.to_owned(),
            url: format!("{PREFIX}{stem}.{hash}.{extension}"),
            etag: format!("W/\"{hash}\"").try_into().expect("hexadecimal digits"),
            kind: match extension {
                "css" => "text/css; charset=utf-8",
                "js" => "text/javascript; charset=utf-8",
                "svg" => "image/svg+xml",
                "woff2" => "font/woff2",
                _ => "text/plain; charset=utf-8",
            },
            body,
            brotli: OnceLock::new(),
            gzip: OnceLock::new(),
        }
    }

    fn file(&self) -> &str {
        &self.url[PREFIX.len()..]
    }

    fn answer(&self, asked: &HeaderMap, keep: &'static str) -> Response {
        let fixed: [(HeaderName, HeaderValue); 4] = [
            (ETAG, self.etag.clone()),
            (CACHE_CONTROL, HeaderValue::from_static(keep)),
            (VARY, HeaderValue::from_static("accept-encoding")),
            (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        ];
        if lists(asked, &IF_NONE_MATCH, |tag| tag.as_bytes() == self.etag.as_bytes()) {
            return (StatusCode::NOT_MODIFIED, fixed).into_response();
        }
        let kind = [(CONTENT_TYPE, self.kind)];
        // A font is compressed already.
        if self.kind == "font/woff2" {
            (fixed, kind, self.body.clone()).into_response()
        } else if lists(asked, &ACCEPT_ENCODING, |coding| accepts(coding, "br")) {
            let body = self.brotli.get_or_init(|| brotli(&self.body)).clone();
            (fixed, kind, [(CONTENT_ENCODING, "br")], body).into_response()
        } else if lists(asked, &ACCEPT_ENCODING, |coding| accepts(coding, "gzip")) {
            let body = self.gzip.get_or_init(|| gzip(&self.body)).clone();
            (fixed, kind, [(CONTENT_ENCODING, "gzip")], body).into_response()
        } else {
            (fixed, kind, self.body.clone()).into_response()
        }
    }
}

const PREFIX: &str = "/static/";

/// Whether an item of a comma-separated field is the one looked for.
fn lists(headers: &HeaderMap, field: &HeaderName, wanted: impl Fn(&str) -> bool) -> bool {
    headers
        .get_all(field)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|item| wanted(item.trim()))
}

/// `br;q=0` refuses what `br` and `br;q=0.5` accept.
fn accepts(item: &str, coding: &str) -> bool {
    let (name, weight) = item.split_once(";q=").unwrap_or((item, "1"));
    name.trim() == coding && weight.trim().parse().is_ok_and(|weight: f32| weight > 0.0)
}

/// Quality 9: a twentieth of the time of 11 for a few bytes more, since the first visitor waits for it.
fn brotli(body: &[u8]) -> Bytes {
    let parameters = BrotliEncoderParams { quality: 9, ..BrotliEncoderParams::default() };
    let mut packed = Vec::new();
    brotli::BrotliCompress(&mut &*body, &mut packed, &parameters).expect(IN_MEMORY);
    packed.into()
}

fn gzip(body: &[u8]) -> Bytes {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(body).expect(IN_MEMORY);
    packed.finish().expect(IN_MEMORY).into()
}

const IN_MEMORY: &str = "memory takes what is written to it";

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::Request;
    use tower::ServiceExt as _;

    use super::*;

    #[test]
    fn templates_name_only_what_exists() {
        let icons = String::from_utf8(read("icons.svg").to_vec()).unwrap();
        for (path, template) in templates(std::path::Path::new("templates")) {
            for name in quoted(&template, "assets::url(\"") {
                assert!(ASSETS.iter().any(|asset| asset.name == name), "{path}: no static/{name}");
            }
            for before in ["icon(\"", "icon=\"", "ui::note(\"", "ui::empty(\"", "ui::tile(\""] {
                for name in quoted(&template, before) {
                    assert!(icons.contains(&format!("id=\"{name}\"")), "{path}: no icon {name}");
                }
            }
        }
    }

    #[test]
    fn budgets_hold() {
        assert!(gzip(&find("guildhall.css").body).len() <= 16 * 1024);
        assert!(gzip(&find("guildhall.js").body).len() <= 4 * 1024);
    }

    #[test]
    fn the_sheet_refers_to_hashed_names() {
        let sheet = String::from_utf8(find("guildhall.css").body.to_vec()).unwrap();
        let files: Vec<_> = sheet.split("url(").skip(1).filter_map(|rest| rest.split(')').next()).collect();
        assert_eq!(files.len(), 3);
        assert!(files.iter().all(|file| ASSETS.iter().any(|asset| asset.file() == *file)), "{files:?}");
    }

    #[tokio::test]
    async fn a_file_is_packed_as_the_browser_likes_and_kept_for_ever() {
        let css = url("guildhall.css");
        for (asked, answered) in [("gzip, br", Some("br")), ("gzip, br;q=0", Some("gzip")), ("", None)] {
            let answer = get(css, ACCEPT_ENCODING, asked).await;
            assert_eq!(answer.status(), StatusCode::OK);
            assert_eq!(
                answer.headers().get(CONTENT_ENCODING).map(|coding| coding.to_str().unwrap()),
                answered
            );
            assert_eq!(answer.headers()[VARY], "accept-encoding");
            assert_eq!(answer.headers()[CACHE_CONTROL], "public, max-age=31536000, immutable");
        }
        let font = get(url("inter-latin.woff2"), ACCEPT_ENCODING, "br").await;
        assert!(!font.headers().contains_key(CONTENT_ENCODING));
        let etag = font.headers()[ETAG].to_str().unwrap();
        let again = get(url("inter-latin.woff2"), IF_NONE_MATCH, etag).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(get("/static/guildhall.css", ACCEPT_ENCODING, "").await.status(), StatusCode::NOT_FOUND);
        assert_eq!(get("/favicon.ico", ACCEPT_ENCODING, "").await.headers()[CONTENT_TYPE], "image/svg+xml");
    }

    async fn get(path: &str, name: HeaderName, value: &str) -> Response {
        let request = Request::get(path).header(name, value).body(Body::empty()).unwrap();
        routes().oneshot(request).await.unwrap()
    }

    fn templates(folder: &std::path::Path) -> Vec<(String, String)> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries
            .flat_map(|path| {
                if path.is_dir() {
                    templates(&path)
                } else {
                    vec![(path.display().to_string(), std::fs::read_to_string(&path).unwrap())]
                }
            })
            .collect()
    }

    fn quoted<'a>(text: &'a str, before: &'a str) -> impl Iterator<Item = &'a str> {
        text.split(before).skip(1).filter_map(|rest| rest.split('"').next())
    }
}
