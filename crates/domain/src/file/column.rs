//! The columns of a file: their names, and what they mean. The documentation is generated from this.

use crate::filter::Direction;
use crate::named_enum::named_enum;

named_enum! {
    /// A column. Its name is the one in the header of a CSV, the key in JSON Lines and the name in Parquet.
    enum Column: "snake_case" {
        /// The id of the message.
        MessageId,
        /// The id of the outbound endpoint.
        EndpointId,
        /// The id of the inbound endpoint.
        InboundEndpointId,
        /// The URL of the endpoint.
        Endpoint,
        /// The delivery status.
        Status,
        /// The number of attempts.
        AttemptCount,
        /// When an outbound message was created.
        CreatedAt,
        /// When an inbound message was received.
        ReceivedAt,
        /// When the message was delivered.
        DeliveredAt,
        /// When the next attempt is due.
        NextAttemptAt,
        /// The HTTP status of the latest attempt.
        ResponseStatus,
        /// The latency of the latest attempt.
        ResponseLatencyMs,
        /// The time from receipt to delivery.
        TotalDeliveryMs,
        /// The error of the latest attempt.
        LastError,
    }
}

const OUTBOUND: [Column; 11] = [
    Column::MessageId,
    Column::EndpointId,
    Column::Endpoint,
    Column::Status,
    Column::AttemptCount,
    Column::CreatedAt,
    Column::DeliveredAt,
    Column::NextAttemptAt,
    Column::ResponseStatus,
    Column::ResponseLatencyMs,
    Column::LastError,
];

const INBOUND: [Column; 12] = [
    Column::MessageId,
    Column::InboundEndpointId,
    Column::Endpoint,
    Column::Status,
    Column::AttemptCount,
    Column::ReceivedAt,
    Column::DeliveredAt,
    Column::NextAttemptAt,
    Column::ResponseStatus,
    Column::ResponseLatencyMs,
    Column::TotalDeliveryMs,
    Column::LastError,
];

impl Column {
    /// The columns that messages of this direction have, in the order of a file whose request chooses no columns.
    #[must_use]
    pub const fn all_of(direction: Direction) -> &'static [Self] {
        match direction {
            Direction::Outbound => &OUTBOUND,
            Direction::Inbound => &INBOUND,
        }
    }

    /// The value, for consumers.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::MessageId => "id of the message, a UUID",
            Self::EndpointId => {
                "id of the outbound endpoint, as in requests: `ep_` and 32 hex digits"
            }
            Self::InboundEndpointId => "id of the inbound endpoint, a UUID",
            Self::Endpoint => "URL of the endpoint; empty if the endpoint does not exist any more",
            Self::Status => {
                "delivery status: `queued`, `delivering`, `succeeded`, `pending_retry` or `failed_permanent`"
            }
            Self::AttemptCount => "number of delivery attempts so far",
            Self::CreatedAt => {
                "when the message was created; the time range of the export selects by it"
            }
            Self::ReceivedAt => {
                "when the message was received; the time range of the export selects by it"
            }
            Self::DeliveredAt => "when the message was delivered; empty if it was not",
            Self::NextAttemptAt => "when the next attempt is due; empty if there is none",
            Self::ResponseStatus => {
                "HTTP status of the latest attempt; empty if there was no response"
            }
            Self::ResponseLatencyMs => "latency of the latest attempt, in milliseconds",
            Self::TotalDeliveryMs => {
                "time from receipt to delivery, in milliseconds; empty if the message was not delivered"
            }
            Self::LastError => "error of the latest attempt, free text; empty if there was none",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_of_a_direction_have_the_names_of_the_contract() {
        let header = |direction| {
            let columns = Column::all_of(direction).iter();
            columns.map(|it| it.as_str()).collect::<Vec<_>>().join(",")
        };
        assert_eq!(
            header(Direction::Outbound),
            "message_id,endpoint_id,endpoint,status,attempt_count,created_at,delivered_at,next_attempt_at,\
             response_status,response_latency_ms,last_error"
        );
        assert_eq!(
            header(Direction::Inbound),
            "message_id,inbound_endpoint_id,endpoint,status,attempt_count,received_at,delivered_at,next_attempt_at,\
             response_status,response_latency_ms,total_delivery_ms,last_error"
        );
    }

    #[test]
    fn every_column_belongs_to_a_direction() {
        for column in Column::ALL {
            let mut directions = Direction::ALL.iter();
            assert!(
                directions.any(|it| Column::all_of(*it).contains(column)),
                "{column}"
            );
        }
        for &direction in Direction::ALL {
            let time = direction.time_column().parse().unwrap();
            assert!(Column::all_of(direction).contains(&time));
        }
    }
}
