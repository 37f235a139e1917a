//! The messages of errors in examples, where the general example of a code does not fit the operation.

use serde_json::{Value, json};

use crate::error_code::ErrorCode;
use crate::file_readers::MAX_READERS;

/// The message of a code in an operation; `None`: the general one.
fn message(operation: &str, code: ErrorCode) -> Option<String> {
    let message = match (operation, code) {
        ("create_export" | "estimate_export", ErrorCode::InvalidRequest) => {
            "end_time must be after start_time"
        }
        ("list_exports", ErrorCode::InvalidRequest) => "limit must be a number from 1 to 500",
        ("download_export", ErrorCode::InvalidRequest) => "redirect must be true or false",
        ("create_webhook", ErrorCode::InvalidRequest) => "url must start with https://",
        ("list_webhooks", ErrorCode::InvalidRequest) => {
            "unknown query parameter \"page\": this operation takes none"
        }
        (
            "get_export"
            | "get_manifest"
            | "delete_export"
            | "export_events"
            | "cancel_export"
            | "retry_export"
            | "get_webhook"
            | "delete_webhook"
            | "rotate_webhook"
            | "test_webhook"
            | "enable_webhook"
            | "list_webhook_deliveries",
            ErrorCode::InvalidRequest,
        ) => "id must be a UUID",
        (
            "get_webhook"
            | "delete_webhook"
            | "rotate_webhook"
            | "test_webhook"
            | "enable_webhook"
            | "list_webhook_deliveries",
            ErrorCode::NotFound,
        ) => "Webhook not found",
        ("retry_export", ErrorCode::ExportNotActive) => {
            "the export is completed: only a failed or expired export can be retried"
        }
        ("project_events", ErrorCode::InvalidRequest) => {
            "unknown query parameter \"wait\": this operation takes none"
        }
        ("export_events" | "project_events", ErrorCode::RateLimited) => {
            "the limit of waiting and event-stream requests at a time per project is 100: end some of them"
        }
        // Every key may read, so only a suspended project is refused.
        (
            "list_exports"
            | "get_export"
            | "estimate_export"
            | "download_export"
            | "get_manifest"
            | "download_file"
            | "list_webhooks"
            | "get_webhook"
            | "list_webhook_deliveries"
            | "export_events"
            | "project_events",
            ErrorCode::Forbidden,
        ) => "the project is suspended: contact support",
        ("download_file", ErrorCode::RateLimited) => {
            return Some(format!(
                "the limit of downloads of one file at a time is {MAX_READERS}: try again when one has ended"
            ));
        }
        _ => return None,
    };
    Some(message.to_owned())
}

pub(super) fn fit_to_operations(document: &mut Value) {
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    let operations = paths.filter_map(|(_, item)| item.as_object_mut()).flatten();
    for (_, operation) in operations {
        let Some(id) = operation["operationId"].as_str().map(str::to_owned) else {
            continue;
        };
        let responses = operation["responses"].as_object_mut();
        for (_, response) in responses.into_iter().flatten() {
            for code in ErrorCode::ALL {
                let example = format!(
                    "/content/application~1json/examples/{}/value/error/message",
                    code.as_str()
                );
                if let Some(shown) = response.pointer_mut(&example)
                    && let Some(message) = message(&id, *code)
                {
                    *shown = json!(message);
                }
            }
        }
    }
}
