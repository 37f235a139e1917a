//! The COPY statement of an export.
//!
//! Binary COPY carries no types, so every column is cast here to what `decode` reads, in its
//! order. Times, UUIDs and known names stand in the text as literals made from typed values: as
//! parameters or settings they would hide from the planner how much it is going to read, and an
//! unset filter, were it in the text, would cost every row. Only the project's id, free text,
//! stays out of it; `session` puts it into a setting of the transaction.

use std::fmt::Write;

use exports_domain::{Direction, MessageFilter};

use super::slice::{Slice, micros_of};

/// The transaction-local setting that holds the project's id.
pub(super) const PROJECT_SETTING: &str = "exports.project_id";

/// Where a row's endpoint URL comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UrlColumn {
    /// The reader has the URLs of the project's endpoints: the column is empty.
    Known,
    /// The project has too many for that: each row brings its own.
    Joined,
}

/// The statement whose output `decode` reads: the messages of a filter in a part of its time, in
/// the file's order.
#[must_use]
pub fn copy_statement(filter: &MessageFilter, slice: Slice, url: UrlColumn) -> String {
    let select = select_statement(filter, slice, url);
    format!("COPY ({select}) TO STDOUT (FORMAT binary)")
}

/// What it copies.
pub(super) fn select_statement(filter: &MessageFilter, slice: Slice, url: UrlColumn) -> String {
    let direction = filter.direction.as_str();
    let (url, join) = match url {
        UrlColumn::Known => ("NULL", String::new()),
        // An id is not unique in every operator's view: the same one is picked as in `session`.
        UrlColumn::Joined => (
            "endpoint.url",
            format!(
                " LEFT JOIN LATERAL (SELECT e.url FROM endpoints e \
                 WHERE e.id = m.endpoint_id AND e.project_id = current_setting('{PROJECT_SETTING}') \
                 AND e.direction = '{direction}' \
                 ORDER BY e.created_at DESC NULLS LAST, e.url LIMIT 1) endpoint ON true"
            ),
        ),
    };
    let mut text = format!(
        "SELECT m.id::uuid, m.endpoint_id::uuid, m.status::text, m.attempt_count::int4, \
         m.created_at::timestamptz, m.delivered_at::timestamptz, m.next_attempt_at::timestamptz, \
         m.response_status::int4, m.response_latency_ms::int4, m.total_delivery_ms::int4, \
         m.last_error::text, {url}::text \
         FROM messages m{join} WHERE {}",
        in_slice(filter, slice),
    );
    // Writing to a String cannot fail.
    if let Some(status) = filter.status {
        let _ = write!(text, " AND m.status = '{}'", status.as_str());
    }
    if let Some(endpoint) = filter.endpoint {
        let _ = write!(text, " AND m.endpoint_id = '{}'::uuid", endpoint.0);
    }
    text.push_str(" ORDER BY m.created_at, m.id");
    text
}

/// The statement for the URLs of the project's endpoints, the one that counts behind others of the
/// same id. At most `limit` of them.
pub(super) fn endpoints_statement(direction: Direction, limit: u32) -> String {
    // The cast is for views whose column is an enum.
    format!(
        "SELECT id::uuid, url::text FROM (SELECT id, url, created_at FROM endpoints \
         WHERE project_id = current_setting('{PROJECT_SETTING}') AND direction::text = '{}' \
         AND id IS NOT NULL LIMIT {limit}) few ORDER BY created_at NULLS FIRST, url DESC",
        direction.as_str(),
    )
}

/// The statement for the time of one message of a slice: the one behind the first `skip`, from
/// its beginning or from its end. It asks for what the index of exports holds and no more: filters
/// by status and endpoint are left out, since the messages that they leave out are read as well.
pub(super) fn time_statement(filter: &MessageFilter, slice: Slice, from: End, skip: u32) -> String {
    let order = match from {
        End::First => "m.created_at, m.id",
        End::Last => "m.created_at DESC, m.id DESC",
    };
    // What is computed of a row is computed of those that are skipped, too: hence outside.
    format!(
        "SELECT {} \
         FROM (SELECT m.created_at FROM messages m WHERE {} ORDER BY {order} OFFSET {skip} LIMIT 1) one",
        micros_of("created_at"),
        in_slice(filter, slice),
    )
}

/// An end of a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    First,
    Last,
}

/// The conditions that the index of exports answers.
fn in_slice(filter: &MessageFilter, slice: Slice) -> String {
    format!(
        "m.project_id = current_setting('{PROJECT_SETTING}') AND m.direction = '{}' \
         AND m.created_at >= {} AND m.created_at <= {}",
        filter.direction.as_str(),
        slice.first.literal(),
        slice.last.literal(),
    )
}

#[cfg(test)]
mod tests {
    use exports_domain::{Direction, EndpointId, MessageStatus, TimeRange, time};

    use super::*;

    fn filter(status: Option<MessageStatus>, endpoint: Option<EndpointId>) -> MessageFilter {
        let at = |text| time::parse(text).unwrap();
        MessageFilter {
            range: TimeRange::new(
                at("0001-01-01T00:00:00Z"),
                at("9999-12-31T23:59:59.999999Z"),
            )
            .unwrap(),
            direction: Direction::Inbound,
            status,
            endpoint,
        }
    }

    #[test]
    fn a_filter_that_is_not_set_is_not_in_the_text() {
        let statement =
            |filter: MessageFilter, url| copy_statement(&filter, Slice::whole(&filter.range), url);
        let text = statement(filter(None, None), UrlColumn::Known);
        assert!(
            !text.contains("m.status =") && !text.contains("m.endpoint_id ="),
            "{text}"
        );
        assert!(text.contains("m.created_at <= '9999-12-31T23:59:59.999999Z'::timestamptz ORDER"));

        let endpoint = EndpointId::parse_inbound("550e8400-e29b-41d4-a716-446655440000").unwrap();
        let text = statement(
            filter(Some(MessageStatus::PendingRetry), Some(endpoint)),
            UrlColumn::Joined,
        );
        assert!(text.contains(" AND m.status = 'pending_retry' AND m.endpoint_id = '550e8400-"));
    }
}
