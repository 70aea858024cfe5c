//! The files of the page, as they are built from `web/` and kept in `page/`.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName,
    IF_NONE_MATCH, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use llm_sre_mesh::server::Web;
use sha2::{Digest, Sha256};
use tonic::body::Body;
use tower::service_fn;
use tower::util::BoxCloneSyncService;

use crate::session::{self, Sessions};

/// Path and content, one row a file.
const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/page.rs"));
/// What is shown at every address of the page's own; what the address says, the page reads.
const INDEX: &str = "/index.html";

/// Everything comes from this origin, nothing is written into the page as code, and nobody shows it within theirs.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

struct File {
    kind: &'static str,
    etag: HeaderValue,
    plain: Bytes,
    /// Smaller, where it is.
    zipped: Option<Bytes>,
}

/// See the module.
pub(crate) struct Page(BTreeMap<&'static str, File>);

impl Page {
    /// Compresses each file once.
    pub(crate) fn new() -> Self {
        Self(FILES.iter().map(|(path, content)| (*path, File::new(path, content))).collect())
    }

    pub(crate) fn web(self, sessions: Sessions) -> Web {
        let page = Arc::new(self);
        BoxCloneSyncService::new(service_fn(move |request: Request<Body>| {
            let response = match request.uri().path() {
                session::PATH => sessions.answer(request.method(), request.headers(), request.uri()),
                path => page.answer(request.method(), path, request.headers()),
            };
            std::future::ready(Ok(response))
        }))
    }

    fn answer(&self, method: &Method, path: &str, headers: &HeaderMap) -> Response<Body> {
        if method != Method::GET && method != Method::HEAD {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are answered here\n");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        let Some(file) = self.find(path) else { return text(StatusCode::NOT_FOUND, "there is nothing here\n") };
        let mut response = Response::new(Body::empty());
        file.describe(response.headers_mut());
        // A proxy may have made it a weak one.
        let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        let mut known = known.flat_map(|value| value.split(',')).map(|tag| tag.trim().trim_start_matches("W/"));
        if known.any(|tag| tag.as_bytes() == file.etag.as_bytes()) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        let content = match file.zipped.as_ref().filter(|_| takes_gzip(headers)) {
            Some(zipped) => {
                response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                zipped
            }
            None => &file.plain,
        };
        if method == Method::GET {
            *response.body_mut() = Body::new(http_body_util::Full::new(content.clone()));
        }
        response
    }

    /// A file by its path. Any other path without an ending is an address of the page's own.
    fn find(&self, path: &str) -> Option<&File> {
        let is_address = !path.rsplit('/').next().unwrap_or_default().contains('.') && !path.starts_with("/assets/");
        self.0.get(path).or_else(|| self.0.get(INDEX).filter(|_| is_address))
    }
}

impl File {
    fn new(path: &str, content: &'static [u8]) -> Self {
        let digest = Sha256::digest(content);
        let tag: String = digest[..12].iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            kind: kind(path),
            etag: HeaderValue::try_from(format!("\"{tag}\"")).unwrap_or(HeaderValue::from_static("\"\"")),
            plain: Bytes::from_static(content),
            zipped: zipped(content).filter(|zipped| zipped.len() < content.len()),
        }
    }

    fn describe(&self, headers: &mut HeaderMap) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.kind));
        headers.insert(ETAG, self.etag.clone());
        // A new binary has a new page at the same addresses: whoever has it asks whether it is still this one.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        let opener = HeaderName::from_static("cross-origin-opener-policy");
        headers.insert(opener, HeaderValue::from_static("same-origin"));
    }
}

fn kind(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

/// Nothing where it cannot be: then it goes as it is.
fn zipped(content: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    let said = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    said.flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        name.trim() == "gzip" && !matches!(weight.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000")
    })
}

pub(crate) fn text(status: StatusCode, said: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::new(http_body_util::Full::new(Bytes::from_static(said.as_bytes()))));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(path: &str, headers: &[(HeaderName, &str)]) -> Response<Body> {
        let headers =
            headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect();
        Page::new().answer(&Method::GET, path, &headers)
    }

    #[test]
    fn every_address_of_the_page_is_the_page_and_no_other_file_is_made_up() {
        for path in ["/", "/incidents/0b9f6a2e", "/explore", INDEX] {
            let response = answer(path, &[]);
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            assert_eq!(response.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
            assert!(response.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap().contains("script-src 'self';"));
        }
        for path in ["/assets/none.js", "/assets/none", "/robots.txt"] {
            assert_eq!(answer(path, &[]).status(), StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[test]
    fn what_a_browser_has_is_not_sent_again_and_what_it_gets_is_small() {
        let script = FILES.iter().map(|(path, _)| *path).find(|path| path.ends_with(".js")).unwrap();
        let zipped = answer(script, &[(ACCEPT_ENCODING, "br, gzip")]);
        assert_eq!(zipped.headers()[CONTENT_ENCODING], "gzip");
        assert!(!answer(script, &[(ACCEPT_ENCODING, "gzip;q=0")]).headers().contains_key(CONTENT_ENCODING));
        let etag = zipped.headers()[ETAG].to_str().unwrap().to_owned();
        for known in [etag.clone(), format!("W/{etag}"), format!("\"other\", {etag}")] {
            assert_eq!(answer(script, &[(IF_NONE_MATCH, &known)]).status(), StatusCode::NOT_MODIFIED, "{known}");
        }
    }

    #[test]
    fn all_of_the_page_is_small_enough_for_a_phone() {
        const BYTES_MAX: usize = 200_000;
        let bytes: usize = Page::new().0.values().map(|file| file.zipped.as_ref().unwrap_or(&file.plain).len()).sum();
        println!("{bytes} bytes compressed");
        assert!(bytes < BYTES_MAX, "{bytes} bytes compressed");
    }

    #[test]
    fn nothing_is_changed_by_asking_for_the_page() {
        let response = Page::new().answer(&Method::POST, "/", &HeaderMap::new());
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(response.headers()[ALLOW], "GET, HEAD");
    }
}
