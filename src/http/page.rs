//! The page at `/`: its files, as they are, for browsers.
//!
//! They are part of the program and ask for nothing from elsewhere. A browser keeps them and asks whether they have changed
//! (`ETag`); those that shrink by it are told compressed. The policy lets a page do what this one does and nothing more: its
//! own scripts and styles, answers of this relay, and no text that is taken for markup.

use std::{collections::BTreeMap, io::Write as _, sync::LazyLock};

use axum::{
    extract::Path,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use flate2::{Compression, write::GzEncoder};

/// What the page may do.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// What can be set about the page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageSettings {
    /// Where another program shows a series, with `{series}`, `{from}` and `{until}` (seconds since 1970) where they
    /// belong; `None`: nowhere.
    pub graph_url: Option<String>,
}

impl PageSettings {
    /// Can `text` be [`Self::graph_url`]?
    ///
    /// # Errors
    /// Why not.
    pub fn check(text: &str) -> Result<(), &'static str> {
        let address = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        if !address.is_some_and(|address| address.starts_with(|first: char| first.is_alphanumeric() || first == '[')) {
            return Err("it is no http:// or https:// address");
        }
        if !text.contains("{series}") {
            return Err("`{series}` is not in it");
        }
        let mut rest = text;
        while let Some(begin) = rest.find('{') {
            let end = rest.find('}').ok_or("`{` is opened but not closed")?;
            if !matches!(&rest[begin..=end.max(begin)], "{series}" | "{from}" | "{until}") {
                return Err("there is more between braces than `{series}`, `{from}` and `{until}`");
            }
            rest = &rest[end + 1..];
        }
        Ok(())
    }
}

/// A file, ready to be told.
struct Asset {
    kind: &'static str,
    text: &'static [u8],
    gzip: Vec<u8>,
    etag: String,
}

macro_rules! assets {
    ($($name:literal)*) => {
        [$(($name, include_bytes!(concat!("page/", $name)).as_slice()),)*]
    };
}

static ASSETS: LazyLock<BTreeMap<&str, Asset>> = LazyLock::new(|| {
    let files = assets! {
        "index.html" "style.css" "icon.svg" "app.js" "dom.js" "format.js" "api.js" "live.js" "chart.js" "sparkline.js"
        "votes.js" "keys.js" "actions.js" "now.js" "series.js" "list.js" "relay.js" "history.js" "silences.js"
    };
    files
        .into_iter()
        .map(|(name, text)| (name, Asset::new(name, text)))
        .collect()
});

/// The page.
pub(super) async fn page(headers: HeaderMap) -> Response {
    tell("index.html", &headers)
}

/// One of the other files of the page.
pub(super) async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    tell(&name, &headers)
}

fn tell(name: &str, headers: &HeaderMap) -> Response {
    match ASSETS.get(name) {
        Some(asset) => asset.tell(headers),
        None => (StatusCode::NOT_FOUND, "there is no such file\n").into_response(),
    }
}

impl Asset {
    fn new(name: &str, text: &'static [u8]) -> Self {
        let kind = match name.rsplit('.').next() {
            Some("html") => "text/html; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("svg") => "image/svg+xml",
            _ => "text/javascript; charset=utf-8",
        };
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(text).expect("a Vec takes everything");
        Self {
            kind,
            text,
            gzip: gzip.finish().expect("a Vec takes everything"),
            etag: format!("\"{:08x}-{:x}\"", crc32fast::hash(text), text.len()),
        }
    }

    fn tell(&self, headers: &HeaderMap) -> Response {
        let says = |name, wanted: &str| {
            let said = headers
                .get_all(name)
                .iter()
                .filter_map(|value: &HeaderValue| value.to_str().ok());
            said.flat_map(|list| list.split(',')).any(|one| {
                let one = one.trim();
                // Without a weight, or with one other than nothing; a proxy may have made an identifier a weak one.
                let (one, weight) = one.split_once(';').unwrap_or((one, ""));
                one.trim().trim_start_matches("W/") == wanted && weight.replace(' ', "") != "q=0"
            })
        };
        let common = [
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::ETAG, &self.etag),
            (header::CACHE_CONTROL, "no-cache"),
            (header::VARY, "Accept-Encoding"),
        ];
        if says(header::IF_NONE_MATCH, &self.etag) {
            return (StatusCode::NOT_MODIFIED, common).into_response();
        }
        let kind = [(header::CONTENT_TYPE, self.kind)];
        if says(header::ACCEPT_ENCODING, "gzip") && self.gzip.len() < self.text.len() {
            (common, kind, [(header::CONTENT_ENCODING, "gzip")], self.gzip.clone()).into_response()
        } else {
            (common, kind, self.text).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use flate2::read::GzDecoder;
    use std::io::Read as _;

    use super::*;

    async fn get(name: &str, asked: &[(header::HeaderName, &'static str)]) -> (Response<()>, Vec<u8>) {
        let headers = asked
            .iter()
            .cloned()
            .map(|(name, value)| (name, HeaderValue::from_static(value)));
        let (parts, body) = tell(name, &headers.collect()).into_parts();
        let body = to_bytes(body, 1 << 20).await.unwrap();
        (Response::from_parts(parts, ()), body.into())
    }

    #[tokio::test]
    async fn a_file_is_told_compressed_to_who_takes_it_and_not_again_to_who_has_it() {
        let (plain, text) = get("style.css", &[]).await;
        assert_eq!(text, include_bytes!("page/style.css"));
        assert_eq!(plain.headers()[header::CONTENT_TYPE], "text/css; charset=utf-8");
        assert!(!plain.headers().contains_key(header::CONTENT_ENCODING));

        let (packed, bytes) = get("style.css", &[(header::ACCEPT_ENCODING, "br, gzip;q=0.5")]).await;
        assert_eq!(packed.headers()[header::CONTENT_ENCODING], "gzip");
        let mut unpacked = Vec::new();
        GzDecoder::new(&*bytes).read_to_end(&mut unpacked).unwrap();
        assert!(unpacked == text && bytes.len() * 2 < text.len(), "{}", bytes.len());
        let (refused, _) = get("style.css", &[(header::ACCEPT_ENCODING, "gzip; q=0")]).await;
        assert!(!refused.headers().contains_key(header::CONTENT_ENCODING));

        let etag: &'static str = Box::leak(plain.headers()[header::ETAG].to_str().unwrap().into());
        let (again, nothing) = get("style.css", &[(header::IF_NONE_MATCH, etag)]).await;
        assert_eq!((again.status(), nothing.len()), (StatusCode::NOT_MODIFIED, 0));
        let (other, _) = get("style.css", &[(header::IF_NONE_MATCH, "\"00000000-0\"")]).await;
        assert_eq!(other.status(), StatusCode::OK);
        assert_eq!(get("../page.rs", &[]).await.0.status(), StatusCode::NOT_FOUND);
    }

    #[test]
    fn the_page_asks_for_its_own_files_alone() {
        let html = std::str::from_utf8(ASSETS["index.html"].text).unwrap();
        let named: Vec<&str> = html
            .split("\"page/")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        assert!(named.len() > 15, "{named:?}");
        for name in named {
            assert!(ASSETS.contains_key(name), "{name}");
        }
        for (name, asset) in &*ASSETS {
            let text = std::str::from_utf8(asset.text).unwrap();
            // Names of namespaces are addresses that nobody visits.
            let elsewhere = text.replace("http://www.w3.org/2000/svg", "");
            assert!(!elsewhere.contains("://"), "{name} names an address");
            for markup in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                " style=",
                "onclick=",
            ] {
                assert!(!text.contains(markup), "{name} has {markup}");
            }
        }
    }

    #[test]
    fn an_address_for_graphs_leads_somewhere() {
        for good in [
            "http://graphite/render?target={series}&from={from}&until={until}",
            "https://[::1]:8080/d/x?var={series}",
        ] {
            assert_eq!(PageSettings::check(good), Ok(()), "{good}");
        }
        for bad in [
            "javascript:alert({series})",
            "graphite/render?target={series}",
            "http:///{series}",
            "http://graphite/",
            "http://graphite/{series}/{span}",
            "http://graphite/{series",
            "http://graphite/}{series}{",
        ] {
            assert!(PageSettings::check(bad).is_err(), "{bad}");
        }
    }
}
