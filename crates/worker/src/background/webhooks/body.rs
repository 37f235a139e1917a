//! The body of a delivery.

use exports_database::ClaimedDelivery;
use exports_domain::time::to_wire;
use exports_wire::ExportJson;
use serde::Serialize;
use uuid::Uuid;

#[derive(Serialize)]
struct Body {
    r#type: &'static str,
    timestamp: String,
    data: Data,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Data {
    Export(Box<ExportJson>),
    /// A test is about no export.
    Test {
        webhook_id: Uuid,
    },
}

/// The same at every attempt: it depends only on the delivery.
pub(super) fn body(delivery: &ClaimedDelivery) -> Vec<u8> {
    let data = match &delivery.export {
        Some(export) => Data::Export(Box::new(ExportJson::from(&**export))),
        None => Data::Test {
            webhook_id: delivery.webhook.0,
        },
    };
    let body = Body {
        r#type: delivery.event.as_str(),
        timestamp: to_wire(delivery.created_at),
        data,
    };
    serde_json::to_vec(&body).expect("plain data with text keys")
}
