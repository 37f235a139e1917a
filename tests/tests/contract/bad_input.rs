//! Invalid input: each request gets its exact error, no 5xx, and no error in the log.

use exports_domain::ExportStatus;
use serde_json::Value;

use crate::api::assert_refused;
use crate::bad_requests;
use crate::shared::{SharedFixtures, story};

#[test]
fn every_bad_request_gets_its_error_code_and_names_the_field_and_rule() {
    story(async |fixtures| {
        let consumer = fixtures.consumer().await;
        let id = consumer.put(consumer.row(ExportStatus::Completed)).await;
        let cases = bad_requests::all(&id);
        assert!(cases.len() >= 60, "{}", cases.len());
        for case in cases {
            let prepare = |request: reqwest::RequestBuilder| {
                let request = case.headers.iter().fold(request, |request, (name, value)| {
                    request.header(*name, value.as_slice())
                });
                request.body(case.body.clone())
            };
            let reply = consumer
                .api
                .send(case.method.clone(), &case.path, prepare)
                .await;
            let shown: String = String::from_utf8_lossy(&case.body)
                .chars()
                .take(200)
                .collect();
            let shown = format!("{} {:.200} {shown}", case.method, case.path);
            assert_eq!(
                (reply.status, &*reply.error_code()),
                (case.status, case.code),
                "{shown}: {}",
                reply.error_message()
            );
            assert_refused(&reply, case.status, case.code, &case.says);
            let message = reply.error_message();
            assert!(
                message.len() < 300 * case.says.len().max(1),
                "{shown}: {message}"
            );
            let plain = message.chars().all(|c| !c.is_control());
            assert!(plain, "{shown}: {message:?}");
        }
        assert_eq!(consumer.get(&id).await["status"], "completed");
        let list = consumer.api.get("/v1/exports").await.expect(200).data();
        assert_eq!(
            list.as_array().map(Vec::len),
            Some(1),
            "no export was created"
        );
        assert_nothing_went_wrong(&fixtures).await;
    });
}

/// Fails if the log of the shared API has a warning or an error. No test with shared fixtures causes one, except those that
/// remove files from the store (`missing_files`).
pub(crate) async fn assert_nothing_went_wrong(fixtures: &SharedFixtures) {
    let log = fixtures.on(exports_tests::StoreKind::File).await.api_log();
    for line in log.lines() {
        let event: Value = serde_json::from_str(line).expect("a line of JSON");
        // The audit trail records refused requests as warnings.
        if event["target"] == "audit" || event["target"] == "exports_api::missing_file" {
            continue;
        }
        let level = event["level"].as_str().unwrap();
        assert!(matches!(level, "INFO" | "DEBUG"), "{line}");
    }
}
