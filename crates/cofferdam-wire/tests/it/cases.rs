//! `cases/*.json`: one request each; what it was read as is the golden file beside it.

use crate::shown;
use cofferdam_wire::mixpanel::{Method, Request, endpoint};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    /// What the case is for.
    #[expect(dead_code, reason = "for the reader")]
    why: String,
    method: String,
    target: String,
    content_type: Option<String>,
    content_encoding: Option<String>,
    authorization: Option<String>,
    body: String,
}

#[test]
fn every_case_reads_as_its_golden_file_says() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../cases/golden");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        insta::glob!("../../cases", "*.json", |path| {
            let case: Case = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
            let (path, query) = match case.target.split_once('?') {
                Some((path, query)) => (path, Some(query)),
                None => (case.target.as_str(), None),
            };
            let request = Request {
                method: Method::from(case.method.as_str()),
                path,
                query,
                content_type: case.content_type.as_deref(),
                content_encoding: case.content_encoding.as_deref(),
                authorization: case.authorization.as_deref(),
                body: case.body.as_bytes(),
            };
            let shown = shown::request(endpoint(path).unwrap(), &request);
            insta::assert_json_snapshot!("case", shown);
        });
    });
}
