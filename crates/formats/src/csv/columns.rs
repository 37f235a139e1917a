//! The columns of the file: their names in the header, and what they mean. The documentation is generated from this.

use exports_domain::Direction;

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// The name in the header.
    pub name: &'static str,
    /// The value, for consumers.
    pub meaning: &'static str,
}

const fn column(name: &'static str, meaning: &'static str) -> Column {
    Column { name, meaning }
}

const MESSAGE_ID: Column = column("message_id", "id of the message, a UUID");
const ENDPOINT: Column = column(
    "endpoint",
    "URL of the endpoint; empty if the endpoint does not exist any more",
);
const STATUS: Column = column(
    "status",
    "delivery status: `queued`, `delivering`, `succeeded`, `pending_retry` or `failed_permanent`",
);
const ATTEMPT_COUNT: Column = column("attempt_count", "number of delivery attempts so far");
const DELIVERED_AT: Column = column(
    "delivered_at",
    "when the message was delivered; empty if it was not",
);
const NEXT_ATTEMPT_AT: Column = column(
    "next_attempt_at",
    "when the next attempt is due; empty if there is none",
);
const RESPONSE_STATUS: Column = column(
    "response_status",
    "HTTP status of the latest attempt; empty if there was no response",
);
const RESPONSE_LATENCY_MS: Column = column(
    "response_latency_ms",
    "latency of the latest attempt, in milliseconds",
);
const LAST_ERROR: Column = column(
    "last_error",
    "error of the latest attempt, free text; empty if there was none",
);

const OUTBOUND: [Column; 11] = [
    MESSAGE_ID,
    column(
        "endpoint_id",
        "id of the outbound endpoint, as in requests: `ep_` and 32 hex digits",
    ),
    ENDPOINT,
    STATUS,
    ATTEMPT_COUNT,
    column(
        "created_at",
        "when the message was created; the time range of the export selects by it",
    ),
    DELIVERED_AT,
    NEXT_ATTEMPT_AT,
    RESPONSE_STATUS,
    RESPONSE_LATENCY_MS,
    LAST_ERROR,
];

const INBOUND: [Column; 12] = [
    MESSAGE_ID,
    column("inbound_endpoint_id", "id of the inbound endpoint, a UUID"),
    ENDPOINT,
    STATUS,
    ATTEMPT_COUNT,
    column(
        "received_at",
        "when the message was received; the time range of the export selects by it",
    ),
    DELIVERED_AT,
    NEXT_ATTEMPT_AT,
    RESPONSE_STATUS,
    RESPONSE_LATENCY_MS,
    column(
        "total_delivery_ms",
        "time from receipt to delivery, in milliseconds; empty if the message was not delivered",
    ),
    LAST_ERROR,
];

/// The columns of a file with messages of this direction, in their order.
#[must_use]
pub const fn columns(direction: Direction) -> &'static [Column] {
    match direction {
        Direction::Outbound => &OUTBOUND,
        Direction::Inbound => &INBOUND,
    }
}
