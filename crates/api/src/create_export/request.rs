//! The request body of `POST /v1/exports` and of `POST /v1/exports/estimate`: how it is read and checked.

use chrono::{DateTime, Utc};
use exports_domain::{
    Choice, Direction, EndpointId, FileOptions, Label, MessageFilter, TimeRange, UnknownName, time,
};

use super::file_options;
use crate::error::ApiError;
use crate::json_fields::{Field, JsonFields};

/// What a body asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExportRequest {
    pub(crate) filter: MessageFilter,
    pub(crate) options: FileOptions,
    pub(crate) label: Option<Label>,
}

const FIELDS: &[&str] = &[
    "start_time",
    "end_time",
    "direction",
    "status",
    "statuses",
    "endpoint_id",
    "endpoint_ids",
    "inbound_endpoint_id",
    "inbound_endpoint_ids",
    "label",
    "format",
    "compression",
    "columns",
    "timezone",
    "csv",
    "max_rows_per_file",
];

/// Parses a body, in the order of the fields. The error has all its faults.
pub(crate) fn parse(body: &[u8]) -> Result<ExportRequest, ApiError> {
    let mut fields = JsonFields::parse(body, FIELDS)?;
    let range = range(&mut fields);
    let direction = match fields.text("direction", name) {
        Field::Absent => Some(Direction::default()),
        given => given.value(),
    };
    let status = choice(&mut fields, ["status", "statuses"], name);
    let outbound = endpoints(
        &mut fields,
        ["endpoint_id", "endpoint_ids"],
        direction.is_none_or(|it| it == Direction::Outbound),
        "must be given with direction outbound only: use inbound_endpoint_id with inbound",
        |id| EndpointId::parse_outbound(id).map_err(|_| "must be in format ep_xxx".to_owned()),
    );
    let inbound = endpoints(
        &mut fields,
        ["inbound_endpoint_id", "inbound_endpoint_ids"],
        direction.is_none_or(|it| it == Direction::Inbound),
        "must be given with direction inbound only: use endpoint_id with outbound",
        |id| EndpointId::parse_inbound(id).map_err(|error| error.to_string()),
    );
    let label = fields.text("label", |text| {
        text.parse()
            .map_err(|error: exports_domain::LabelError| error.to_string())
    });
    let options = file_options::parse(&mut fields, direction);
    fields.finish()?;
    let valid = range.zip(direction).zip(options);
    let ((range, direction), options) = valid.expect("each is set, because there are no faults");
    let endpoint = match direction {
        Direction::Outbound => outbound,
        Direction::Inbound => inbound,
    };
    Ok(ExportRequest {
        filter: MessageFilter {
            range,
            direction,
            status,
            endpoint,
        },
        options,
        label: label.value(),
    })
}

/// The range of time; `None` after a fault.
fn range(fields: &mut JsonFields) -> Option<TimeRange> {
    let start = required_time(fields, "start_time");
    let end = required_time(fields, "end_time");
    let range = TimeRange::new(start?, end?);
    let range = range.map_err(|_| "end_time must be after start_time".to_owned());
    fields.faults.ok(range)
}

fn required_time(fields: &mut JsonFields, name: &str) -> Option<DateTime<Utc>> {
    let time = fields.text(name, |text| {
        time::parse(text).map_err(|error| error.to_string())
    });
    if time.is_absent() {
        fields.faults.add(format!("{name} is required"));
    }
    time.value()
}

/// A value given alone, or as a list in the second field. After a fault, the result has no meaning.
fn choice<T: Ord>(
    fields: &mut JsonFields,
    [one, list]: [&str; 2],
    parse: impl Fn(&str) -> Result<T, String>,
) -> Choice<T> {
    let (alone, several) = (fields.text(one, &parse), fields.list(list, &parse));
    if !alone.is_absent() && !several.is_absent() {
        let fault = format!("{one} and {list} must not be given together: use one of them");
        fields.faults.add(fault);
    }
    match several.value() {
        Some(set) => Choice::OneOf(set),
        None => alone.value().into(),
    }
}

/// The endpoints of one direction. If the export has the other direction, the fields must be absent.
fn endpoints(
    fields: &mut JsonFields,
    names: [&str; 2],
    is_direction: bool,
    rule: &str,
    parse: impl Fn(&str) -> Result<EndpointId, String>,
) -> Choice<EndpointId> {
    if is_direction {
        return choice(fields, names, parse);
    }
    let [one, list] = names;
    let one_given = fields.text(one, |_| Ok(())).value().is_some();
    let list_given = fields.list(list, |id| Ok(id.to_owned())).value().is_some();
    for (name, given) in [(one, one_given), (list, list_given)] {
        if given {
            fields.faults.add(format!("{name} {rule}"));
        }
    }
    Choice::Any
}

pub(super) fn name<T: std::str::FromStr<Err = UnknownName>>(text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|error: UnknownName| format!("must be one of {}", error.known()))
}

#[cfg(test)]
mod tests {
    use exports_domain::MessageStatus;
    use serde_json::json;

    use super::*;

    fn filter(body: &serde_json::Value) -> Result<MessageFilter, String> {
        parse(body.to_string().as_bytes())
            .map(|request| request.filter)
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
        assert_eq!(
            (&filter.status, &filter.endpoint),
            (&Choice::Any, &Choice::Any)
        );
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
        assert_eq!(outbound.status, Choice::One(MessageStatus::PendingRetry));
        let inbound = with(&json!({
            "direction": "inbound", "inbound_endpoint_id": "550e8400-e29b-41d4-a716-446655440000"
        }))
        .unwrap();
        assert_eq!(inbound.endpoint, outbound.endpoint);
        let lists = with(&json!({
            "statuses": ["failed_permanent", "queued"],
            "endpoint_ids": [format!("ep_{}", "b".repeat(32)), format!("ep_{}", "A".repeat(32))],
        }))
        .unwrap();
        let statuses = [MessageStatus::Queued, MessageStatus::FailedPermanent];
        assert_eq!(lists.status.list(), Some(&statuses[..]));
        let ids: Vec<_> = lists
            .endpoint
            .values()
            .iter()
            .map(|id| id.0.as_u128())
            .collect();
        let of = |digit| u128::from_str_radix(&format!("{digit}").repeat(32), 16).unwrap();
        assert_eq!(
            ids,
            [of('a'), of('b')],
            "sorted, so that equal lists are equal requests"
        );
        let inbound = with(&json!({
            "direction": "inbound", "inbound_endpoint_ids": ["550e8400-e29b-41d4-a716-446655440000"]
        }))
        .unwrap();
        assert_eq!(inbound.endpoint.values(), outbound.endpoint.values());
        assert_ne!(
            inbound.endpoint, outbound.endpoint,
            "a list is another request"
        );
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
                "start_time must be an RFC 3339 timestamp with an offset: use 2025-12-01T00:00:00Z if it is in UTC",
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
            (
                json!({"statuses": ["queued", "delivering", "sent"]}),
                "statuses[2] must be one of queued, delivering, succeeded, pending_retry, failed_permanent",
            ),
            (json!({"label": ""}), "label must not be empty"),
            (
                json!({"label": "x".repeat(201)}),
                "label must have 1 to 200 characters",
            ),
            (
                json!({"label": "a\tb"}),
                "label must not have control characters, such as line breaks or tabs",
            ),
            (json!({"statuses": []}), "statuses must have 1 to 50 values"),
            (
                json!({"statuses": ["queued", "queued"]}),
                "statuses[1] is repeated: statuses must have each value once",
            ),
            (
                json!({"status": "queued", "statuses": ["queued"]}),
                "status and statuses must not be given together: use one of them",
            ),
            (
                json!({"endpoint_id": format!("ep_{}", "1".repeat(32)), "endpoint_ids": [format!("ep_{}", "1".repeat(32))]}),
                "endpoint_id and endpoint_ids must not be given together: use one of them",
            ),
            (
                json!({"endpoint_ids": [plain]}),
                "endpoint_ids[0] must be in format ep_xxx",
            ),
            (
                json!({"inbound_endpoint_ids": [plain]}),
                "inbound_endpoint_ids must be given with direction inbound only: use endpoint_id with outbound",
            ),
            (
                json!({"direction": "inbound", "inbound_endpoint_ids": "x"}),
                "inbound_endpoint_ids must be a list of strings",
            ),
        ] {
            assert_eq!(with(&changes), Err(message.to_owned()), "{changes}");
        }
        assert_eq!(
            filter(&json!({})),
            Err("start_time is required; end_time is required".to_owned())
        );
    }

    #[test]
    fn all_faults_are_reported_in_the_order_of_the_fields() {
        let body = json!({
            "page": 1, "inbound_endpoint_id": "x", "endpoint_id": "y", "statuses": ["sent"],
            "status": 7, "direction": "both", "end_time": "2025-12-06", "limit": 2,
        });
        assert_eq!(
            filter(&body).unwrap_err(),
            "start_time is required; \
             end_time must be an RFC 3339 timestamp with an offset: use 2025-12-06T00:00:00Z for the \
             start of the day in UTC, or 2025-12-06T23:59:59.999999Z for its end; \
             direction must be one of outbound, inbound; \
             status must be a string; \
             statuses[0] must be one of queued, delivering, succeeded, pending_retry, failed_permanent; \
             status and statuses must not be given together: use one of them; \
             endpoint_id must be in format ep_xxx; \
             inbound_endpoint_id must be a UUID; \
             unknown fields \"limit\", \"page\": the known fields are start_time, end_time, direction, \
             status, statuses, endpoint_id, endpoint_ids, inbound_endpoint_id, inbound_endpoint_ids, label, \
             format, compression, columns, timezone, csv, max_rows_per_file"
        );
    }

    #[test]
    fn the_range_is_checked_only_if_both_ends_are_valid() {
        assert_eq!(
            with(&json!({"start_time": "2026-01-01T00:00:00Z", "direction": ""})),
            Err("end_time must be after start_time; direction must not be empty".to_owned())
        );
    }
}
