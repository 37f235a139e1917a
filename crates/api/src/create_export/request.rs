//! The request body of `POST /v1/exports`, and its validation.

use exports_domain::{
    Direction, EndpointId, MessageFilter, MessageStatus, TimeRange, UnknownName, time,
};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::error::ApiError;
use crate::export_json::{direction_schema, message_status_schema};
use crate::json_fields::JsonFields;

/// The filter for the messages to export. `null` is the same as absent.
#[derive(Debug, ToSchema)]
pub(crate) struct CreateExport {
    /// Start of the export time range, inclusive; RFC 3339 with an offset
    #[schema(required, nullable = false, format = DateTime, example = "2025-12-01T00:00:00Z")]
    start_time: Option<String>,
    /// End of the export time range, inclusive; after its start
    #[schema(required, nullable = false, format = DateTime, example = "2025-12-06T23:59:59Z")]
    end_time: Option<String>,
    /// The direction of the messages; default `outbound`
    #[schema(schema_with = direction_schema, required = false)]
    direction: Option<String>,
    /// Only messages with this status
    #[schema(schema_with = message_status_schema, required = false)]
    status: Option<String>,
    /// Only messages to this outbound endpoint
    #[schema(
        pattern = "^ep_[0-9a-fA-F]{32}$",
        example = "ep_550e8400e29b41d4a716446655440000"
    )]
    endpoint_id: Option<String>,
    /// Only messages to this inbound endpoint; requires direction=inbound
    #[schema(format = Uuid, example = "01935abc-def0-7123-4567-890abcdef012")]
    inbound_endpoint_id: Option<String>,
}

impl CreateExport {
    const FIELDS: [&str; 6] = [
        "start_time",
        "end_time",
        "direction",
        "status",
        "endpoint_id",
        "inbound_endpoint_id",
    ];

    pub(super) fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = JsonFields::parse(body, &Self::FIELDS)?;
        Ok(Self {
            start_time: fields.text("start_time")?,
            end_time: fields.text("end_time")?,
            direction: fields.text("direction")?,
            status: fields.text("status")?,
            endpoint_id: fields.text("endpoint_id")?,
            inbound_endpoint_id: fields.text("inbound_endpoint_id")?,
        })
    }

    pub(super) fn filter(&self) -> Result<MessageFilter, ApiError> {
        let start = required_time("start_time", self.start_time.as_deref())?;
        let end = required_time("end_time", self.end_time.as_deref())?;
        let range = TimeRange::new(start, end)
            .map_err(|_| ApiError::invalid("end_time must be after start_time"))?;
        let direction = match &self.direction {
            None => Direction::default(),
            Some(name) => name.parse().map_err(|error| one_of("direction", &error))?,
        };
        let status: Option<MessageStatus> = match &self.status {
            None => None,
            Some(name) => Some(name.parse().map_err(|error| one_of("status", &error))?),
        };
        Ok(MessageFilter {
            range,
            direction,
            status,
            endpoint: self.endpoint(direction)?,
        })
    }

    fn endpoint(&self, direction: Direction) -> Result<Option<EndpointId>, ApiError> {
        let (outbound, inbound) = (&self.endpoint_id, &self.inbound_endpoint_id);
        let parsed = match (direction, outbound.as_deref(), inbound.as_deref()) {
            (_, None, None) => return Ok(None),
            (Direction::Outbound, Some(id), None) => EndpointId::parse_outbound(id)
                .map_err(|_| "endpoint_id must be in format ep_xxx".to_owned()),
            (Direction::Inbound, None, Some(id)) => {
                EndpointId::parse_inbound(id).map_err(|e| format!("inbound_endpoint_id {e}"))
            }
            (Direction::Outbound, _, Some(_)) => Err(
                "inbound_endpoint_id must be given with direction inbound only: \
                 use endpoint_id with outbound"
                    .to_owned(),
            ),
            (Direction::Inbound, Some(_), _) => {
                Err("endpoint_id must be given with direction outbound only: \
                 use inbound_endpoint_id with inbound"
                    .to_owned())
            }
        };
        parsed.map(Some).map_err(ApiError::Invalid)
    }
}

/// The schema's `oneOf`: which endpoint field goes with which direction.
pub(crate) fn directions() -> Value {
    json!([
        {
            "title": "Outbound messages",
            "properties": { "direction": { "enum": ["outbound"] } },
            "not": { "required": ["inbound_endpoint_id"] },
        },
        {
            "title": "Inbound messages",
            "required": ["direction"],
            "properties": { "direction": { "enum": ["inbound"] } },
            "not": { "required": ["endpoint_id"] },
        },
    ])
}

fn required_time(
    name: &str,
    text: Option<&str>,
) -> Result<chrono::DateTime<chrono::Utc>, ApiError> {
    let text = text.ok_or_else(|| ApiError::Invalid(format!("{name} is required")))?;
    time::parse(text).map_err(|error| ApiError::Invalid(format!("{name} {error}")))
}

fn one_of(name: &str, error: &UnknownName) -> ApiError {
    ApiError::Invalid(format!("{name} must be one of {}", error.known()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(body: &serde_json::Value) -> Result<MessageFilter, String> {
        CreateExport::parse(body.to_string().as_bytes())
            .and_then(|request| request.filter())
            .map_err(|error| error.message())
    }

    /// A valid request with some fields changed.
    fn with(changes: &serde_json::Value) -> Result<MessageFilter, String> {
        let mut body = json!({
            "start_time": "2025-12-01T00:00:00Z",
            "end_time": "2025-12-06T23:59:59Z",
        });
        let fields = body.as_object_mut().unwrap();
        fields.extend(changes.as_object().unwrap().clone());
        filter(&body)
    }

    #[test]
    fn a_minimal_request_selects_all_outbound_messages() {
        let filter = with(&json!({})).unwrap();
        assert_eq!(filter.direction, Direction::Outbound);
        assert_eq!((filter.status, filter.endpoint), (None, None));
        assert_eq!(time::to_wire(filter.range.start()), "2025-12-01T00:00:00Z");
        assert_eq!(
            with(&json!({"direction": null, "status": null, "endpoint_id": null})),
            Ok(filter)
        );
    }

    #[test]
    fn every_filter_is_parsed() {
        let digits = "550e8400e29b41d4a716446655440000";
        let outbound = with(&json!({
            "status": "pending_retry", "endpoint_id": format!("ep_{digits}")
        }))
        .unwrap();
        assert_eq!(outbound.status, Some(MessageStatus::PendingRetry));
        let inbound = with(&json!({
            "direction": "inbound", "inbound_endpoint_id": "550e8400-e29b-41d4-a716-446655440000"
        }))
        .unwrap();
        assert_eq!(inbound.endpoint, outbound.endpoint);
    }

    #[test]
    fn an_error_names_the_field_and_the_rule() {
        let plain = "550e8400-e29b-41d4-a716-446655440000";
        for (changes, message) in [
            (json!({"start_time": null}), "start_time is required"),
            (json!({"end_time": null}), "end_time is required"),
            (json!({"end_time": 5}), "end_time must be a string"),
            (json!({"end_time": ""}), "end_time must not be empty"),
            (
                json!({"start_time": "2025-12-01T00:00:00"}),
                "start_time must be an RFC 3339 timestamp with an offset, such as 2025-12-01T00:00:00Z",
            ),
            (
                json!({"start_time": "0000-01-01T00:00:00Z"}),
                "start_time must be in the years 0001 to 9999 (UTC)",
            ),
            (
                json!({"end_time": "2025-12-01T00:00:00.0000009Z"}),
                "end_time must be after start_time",
            ),
            (
                json!({"direction": "Inbound"}),
                "direction must be one of outbound, inbound",
            ),
            (
                json!({"status": "failed"}),
                "status must be one of queued, delivering, succeeded, pending_retry, failed_permanent",
            ),
            (
                json!({"endpoint_id": plain}),
                "endpoint_id must be in format ep_xxx",
            ),
            (
                json!({"direction": "inbound", "inbound_endpoint_id": "x"}),
                "inbound_endpoint_id must be a UUID",
            ),
            (
                json!({"direction": "inbound", "endpoint_id": plain}),
                "endpoint_id must be given with direction outbound only: use inbound_endpoint_id with inbound",
            ),
            (
                json!({"inbound_endpoint_id": plain}),
                "inbound_endpoint_id must be given with direction inbound only: use endpoint_id with outbound",
            ),
        ] {
            assert_eq!(with(&changes), Err(message.to_owned()), "{changes}");
        }
        assert_eq!(filter(&json!({})), Err("start_time is required".to_owned()));
    }
}
