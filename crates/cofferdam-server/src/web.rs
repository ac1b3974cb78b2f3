//! The web app, embedded: static files with their precompressed siblings, the page for every path that the app itself may know.
//!
//! Invariant: nothing is loaded from elsewhere; a missing file is 404 and never the page, so that a browser with an older page
//! notices; a build without the app says so instead of showing an empty page.

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use rust_embed::{EmbeddedFile, RustEmbed};

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/../../web/dist"]
#[allow_missing = true]
struct Files;

const MISSING: &str = "<!doctype html><title>Cofferdam</title><p>This program was built without its web app. \
    Run <code>cargo xtask web</code> and build again. The API works: <a href=\"/api/v1/openapi.json\">openapi.json</a>.</p>";

/// The web app's router.
pub fn router() -> Router {
    Router::new().fallback(get(serve))
}

/// The hashes of the page's own inline scripts, as the build wrote them into it: `'sha256-…'`, each after a space.
pub(crate) fn script_hashes() -> String {
    let Some(page) = Files::get("index.html") else {
        return String::new();
    };
    let page = String::from_utf8_lossy(&page.data);
    let mut hashes = String::new();
    for source in page.split('\'').filter(|part| part.starts_with("sha256-")) {
        hashes.push_str(&format!(" '{source}'"));
    }
    hashes
}

async fn serve(request: Request) -> Response {
    let path = request.uri().path().trim_start_matches('/');
    let path = if path.is_empty() { "index.html" } else { path };
    if let Some(response) = file(path, request.headers()) {
        return response;
    }
    if !is_page(path) {
        let never = [(header::CACHE_CONTROL, "no-store")];
        return (StatusCode::NOT_FOUND, never).into_response();
    }
    match file("index.html", request.headers()) {
        Some(response) => response,
        None => (StatusCode::NOT_FOUND, Html(MISSING)).into_response(),
    }
}

/// Whether a path may be one of the app's own pages: everything but the API, built files, and names of files.
fn is_page(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    !path.starts_with("api/") && !path.starts_with("_app/") && !name.contains('.')
}

fn file(path: &str, headers: &HeaderMap) -> Option<Response> {
    let accepts = headers
        .get(header::ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let plain = Files::get(path)?;
    let compressed = [("br", ".br"), ("gzip", ".gz")]
        .into_iter()
        .filter(|(encoding, _)| accepts.contains(encoding))
        .find_map(|(encoding, suffix)| {
            Files::get(&format!("{path}{suffix}")).map(|file| (encoding, file))
        });
    let mime = plain.metadata.mimetype().to_owned();
    let (encoding, file): (Option<&'static str>, EmbeddedFile) = match compressed {
        Some((encoding, file)) => (Some(encoding), file),
        None => (None, plain),
    };
    let mut response = file.data.into_owned().into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::try_from(mime).ok()?);
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Some(encoding) = encoding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    let cache = if path.starts_with("_app/immutable/") {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    Some(response)
}
