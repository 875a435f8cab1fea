//! The files of `static/`, embedded in the program. Their names hold a hash of their content, so that browsers keep them for ever.
use axum::{body::Bytes, http::HeaderValue};
use brotli::enc::BrotliEncoderParams;
use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};
use std::{
    io::Write as _,
    sync::{LazyLock, OnceLock},
};

const PREFIX: &str = "/static/";
const IN_MEMORY: &str = "writing to memory does not fail";

/// The address of a file. Panics if there is none of that name: a test checks the names in all templates.
pub fn url(name: &str) -> &'static str {
    &find(name).url
}

/// The address of all icons: each is a fragment of it.
pub fn icons() -> &'static str {
    static ICONS: LazyLock<&'static str> = LazyLock::new(|| url("icons.svg"));
    *ICONS
}

pub fn find(name: &str) -> &'static Asset {
    ASSETS.iter().find(|asset| asset.name == name).unwrap_or_else(|| panic!("static/{name} does not exist"))
}

/// By the name with the hash, as it stands in the address.
pub fn find_hashed(file: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.file() == file)
}

#[derive(RustEmbed)]
#[folder = "static/"]
struct Static;

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    let (sheets, others): (Vec<_>, Vec<_>) = Static::iter().partition(|name| name.ends_with(".css"));
    let mut assets: Vec<Asset> = others.iter().map(|name| Asset::new(name, read(name))).collect();
    // Style sheets last: their hash covers the hashes of what they refer to.
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

pub struct Asset {
    name: String,
    url: String,
    pub etag: HeaderValue,
    pub content_type: &'static str,
    pub body: Bytes,
    brotli: OnceLock<Bytes>,
    gzip: OnceLock<Bytes>,
}

impl Asset {
    fn new(name: &str, body: Bytes) -> Self {
        let (stem, extension) = name.rsplit_once('.').expect("a file of static/ has an extension");
        let hash = hex::encode(&Sha256::digest(&body)[..4]);
        Asset {
            name: name.to_owned(),
            url: format!("{PREFIX}{stem}.{hash}.{extension}"),
            etag: format!("W/\"{hash}\"").try_into().expect("hexadecimal digits"),
            content_type: match extension {
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
    /// Whether compression makes it smaller: fonts are compressed already.
    pub fn is_compressible(&self) -> bool {
        self.content_type != "font/woff2"
    }
    pub fn brotli(&self) -> Bytes {
        self.brotli.get_or_init(|| brotli(&self.body)).clone()
    }
    pub fn gzip(&self) -> Bytes {
        self.gzip.get_or_init(|| gzip(&self.body)).clone()
    }
}

/// Quality 9 takes a twentieth of the time of 11 for a few bytes more: the first visitor waits for it.
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

#[cfg(test)]
mod tests {
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
        assert!(gzip(&find("guildhall.js").body).len() <= 5 * 1024);
    }

    #[test]
    fn the_sheet_refers_to_hashed_names() {
        let sheet = String::from_utf8(find("guildhall.css").body.to_vec()).unwrap();
        let files: Vec<_> = sheet.split("url(").skip(1).filter_map(|rest| rest.split(')').next()).collect();
        assert_eq!(files.len(), 3);
        assert!(files.iter().all(|file| ASSETS.iter().any(|asset| asset.file() == *file)), "{files:?}");
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
