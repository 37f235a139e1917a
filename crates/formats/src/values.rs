//! The values of a row, column by column, with the checks that every format makes.

use exports_domain::{Column, Fault, InvalidValue, MessageRow, PgTimestamp};
use uuid::Uuid;

use crate::fields::OutOfRange;

/// A value of a row.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Value<'a> {
    /// Written as a plain UUID.
    Uuid(Option<[u8; 16]>),
    /// Written as `ep_` and 32 hex digits.
    OutboundEndpoint(Option<[u8; 16]>),
    /// The URL of the row's endpoint: in the row, or known by the id.
    Url(Option<&'a str>),
    /// A name of the contract.
    Status(&'static str),
    Int(Option<i32>),
    Time(Option<PgTimestamp>),
    /// A text that a third party can choose.
    Text(Option<&'a str>),
}

/// The value of a column. An error if it is missing or not one of the contract.
#[inline]
pub(crate) fn value<'a>(column: Column, row: &MessageRow<'a>) -> Result<Value<'a>, InvalidValue> {
    let is_missing = || InvalidValue::missing(message_id(row), column.as_str());
    Ok(match column {
        Column::MessageId => Value::Uuid(Some(row.id.ok_or_else(is_missing)?)),
        Column::EndpointId => Value::OutboundEndpoint(row.endpoint_id),
        Column::InboundEndpointId => Value::Uuid(row.endpoint_id),
        Column::Endpoint => Value::Url(row.url),
        Column::Status => Value::Status(status(row)?),
        Column::AttemptCount => Value::Int(Some(row.attempt_count.ok_or_else(is_missing)?)),
        Column::CreatedAt | Column::ReceivedAt => {
            Value::Time(Some(row.created_at.ok_or_else(is_missing)?))
        }
        Column::DeliveredAt => Value::Time(row.delivered_at),
        Column::NextAttemptAt => Value::Time(row.next_attempt_at),
        Column::ResponseStatus => Value::Int(row.response_status),
        Column::ResponseLatencyMs => Value::Int(row.response_latency_ms),
        Column::TotalDeliveryMs => Value::Int(row.total_delivery_ms),
        Column::LastError => Value::Text(row.last_error),
    })
}

#[inline]
fn status(row: &MessageRow<'_>) -> Result<&'static str, InvalidValue> {
    Ok(match row.status {
        Some("queued") => "queued",
        Some("delivering") => "delivering",
        Some("succeeded") => "succeeded",
        Some("pending_retry") => "pending_retry",
        Some("failed_permanent") => "failed_permanent",
        other => return Err(InvalidValue::status(message_id(row), other)),
    })
}

/// The error of a time that no file can express.
#[cold]
pub(crate) fn out_of_range(
    row: &MessageRow<'_>,
    column: &'static str,
    OutOfRange: OutOfRange,
) -> InvalidValue {
    InvalidValue {
        message: message_id(row),
        column,
        fault: Fault::TimeOutOfRange,
    }
}

/// The id for error messages.
pub(crate) fn message_id(row: &MessageRow<'_>) -> Option<String> {
    row.id.map(|id| Uuid::from_bytes(id).to_string())
}
