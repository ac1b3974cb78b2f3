//! The web app's files as the admin listener serves them: what is missing is 404, what may be kept, and the strict headers.

use crate::support::{Folder, TestServer};
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, header};
use cofferdam_server::http;
use tower::ServiceExt;

async fn ask(server: &TestServer, method: Method, path: &str) -> (u16, HeaderMap) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .body(Body::empty())
        .unwrap();
    let response = http::admin(&server.system).oneshot(request).await.unwrap();
    (response.status().as_u16(), response.headers().clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_file_is_404_and_never_the_page() {
    let server = TestServer::start(Folder::new()).await;
    let missing = [
        "/_app/immutable/entry/start.0000.js",
        "/_app/none",
        "/robots.txt",
        "/favicon.ico",
    ];
    for path in missing {
        let (status, headers) = ask(&server, Method::GET, path).await;
        assert_eq!(status, 404, "{path}");
        assert_eq!(headers[header::CACHE_CONTROL], "no-store", "{path}");
        assert!(headers.get(header::CONTENT_TYPE).is_none(), "{path}");
    }
    let (status, _) = ask(&server, Method::POST, "/").await;
    assert_eq!(status, 405);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_the_strict_headers() {
    let server = TestServer::start(Folder::new()).await;
    for path in ["/", "/vendors/acme", "/_app/none", "/api/v1/status"] {
        let (_, headers) = ask(&server, Method::GET, path).await;
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        let scripts = policy.split(';').find(|rule| rule.contains("script-src"));
        assert!(!scripts.unwrap().contains("unsafe-inline"), "{policy}");
        for rule in [
            "default-src 'none'",
            "frame-ancestors 'none'",
            "connect-src 'self'",
        ] {
            assert!(policy.contains(rule), "{path}: {policy}");
        }
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{path}");
    }
    server.stop().await;
}
