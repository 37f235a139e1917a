//! The statements of an export.
//!
//! Binary COPY carries no types, so every column is cast here to what `decode` reads, in its
//! order. Every value stands in the text as a literal made from a typed value: as a parameter or a
//! setting it would hide from the planner how much it is going to read, and which partitions.
//! An unset filter, were it in the text, would cost every row.

use std::fmt::Write;

use exports_domain::{Direction, MessageFilter, ProjectId};

use crate::catalogue::Catalogue;
use crate::time_slice::{TimeSlice, literal, micros_of};

/// Where a row's endpoint URL comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UrlColumn {
    /// The reader has the URLs of the project's endpoints: the column is empty.
    Known,
    /// The project has too many for that: each row brings its own.
    Joined,
}

/// The statement that copies the messages of a filter from tables as `exportctl migrate` makes them.
#[must_use]
pub fn copy_statement(
    project: &ProjectId,
    filter: &MessageFilter,
    slice: TimeSlice,
    url: UrlColumn,
) -> String {
    let catalogue = Catalogue::default();
    Query::new(project, filter, &catalogue).copy(slice, url)
}

/// What is asked for, and of which relations.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Query<'a> {
    project: &'a ProjectId,
    filter: &'a MessageFilter,
    catalogue: &'a Catalogue,
}

/// An end of a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    First,
    Last,
}

impl<'a> Query<'a> {
    pub(crate) fn new(
        project: &'a ProjectId,
        filter: &'a MessageFilter,
        catalogue: &'a Catalogue,
    ) -> Self {
        Self {
            project,
            filter,
            catalogue,
        }
    }

    pub(crate) fn project(&self) -> &'a ProjectId {
        self.project
    }

    /// The statement whose output `decode` reads: the messages of a part of the filter's time, in
    /// the file's order.
    pub(crate) fn copy(&self, slice: TimeSlice, url: UrlColumn) -> String {
        format!(
            "COPY ({}) TO STDOUT (FORMAT binary)",
            self.select(slice, url)
        )
    }

    /// What it copies.
    pub(crate) fn select(&self, slice: TimeSlice, url: UrlColumn) -> String {
        let (url, join) = match url {
            UrlColumn::Known => ("NULL", String::new()),
            // An id is not unique in every operator's view: the same one is picked as in `endpoints`.
            UrlColumn::Joined => (
                "endpoint.url",
                format!(
                    " LEFT JOIN LATERAL (SELECT e.url FROM endpoints e \
                     WHERE {} = {} AND {} \
                     ORDER BY e.created_at DESC NULLS LAST, e.url LIMIT 1) endpoint ON true",
                    self.catalogue.column("endpoints", "id").as_uuid("e.id"),
                    self.message("endpoint_id").as_uuid("m.endpoint_id"),
                    endpoints_of(self.catalogue, self.project, self.filter.direction),
                ),
            ),
        };
        let mut text = format!(
            "SELECT m.id::uuid, m.endpoint_id::uuid, m.status::text, m.attempt_count::int4, \
             m.created_at::timestamptz, m.delivered_at::timestamptz, m.next_attempt_at::timestamptz, \
             m.response_status::int4, m.response_latency_ms::int4, m.total_delivery_ms::int4, \
             m.last_error::text, {url}::text \
             FROM messages m{join} WHERE {}",
            self.in_slice(slice),
        );
        if let Some(status) = self.filter.status {
            text.push_str(" AND ");
            text.push_str(&self.message("status").is_text("m.status", status.as_str()));
        }
        if let Some(endpoint) = self.filter.endpoint {
            let column = self.message("endpoint_id").as_uuid("m.endpoint_id");
            // Writing to a String cannot fail.
            let _ = write!(text, " AND {column} = '{}'::uuid", endpoint.0);
        }
        text.push_str(" ORDER BY ");
        text.push_str(&self.order(""));
        text
    }

    /// The statement for the time of one message of a slice: the one behind the first `skip`, from
    /// its beginning or from its end. It asks for what the index of exports holds and no more:
    /// filters by status and endpoint are left out, since the messages that they leave out are read
    /// as well.
    pub(crate) fn time(&self, slice: TimeSlice, from: End, skip: u32) -> String {
        let order = self.order(match from {
            End::First => "",
            End::Last => " DESC",
        });
        // What is computed of a row is computed of those that are skipped, too: hence outside.
        format!(
            "SELECT {} \
             FROM (SELECT m.created_at FROM messages m WHERE {} ORDER BY {order} OFFSET {skip} LIMIT 1) one",
            micros_of("created_at"),
            self.in_slice(slice),
        )
    }

    /// The file's order. Ids that are text may sort in another way than as what they are.
    fn order(&self, direction: &str) -> String {
        format!(
            "{}{direction}, {}{direction}",
            self.message("created_at").as_time("m.created_at"),
            self.message("id").as_uuid("m.id"),
        )
    }

    /// The conditions that the index of exports answers.
    fn in_slice(&self, slice: TimeSlice) -> String {
        let time = self.message("created_at").as_time("m.created_at");
        format!(
            "{} AND {} AND {time} >= {} AND {time} <= {}",
            self.message("project_id")
                .is_text("m.project_id", self.project.as_str()),
            self.message("direction")
                .is_text("m.direction", self.filter.direction.as_str()),
            literal(slice.first),
            literal(slice.last),
        )
    }

    fn message(&self, column: &str) -> crate::column::ColumnType {
        self.catalogue.column("messages", column)
    }
}

/// The statement for the URLs of the project's endpoints, the one that counts behind others of the
/// same id. At most `limit` of them.
pub(crate) fn endpoints_statement(
    catalogue: &Catalogue,
    project: &ProjectId,
    direction: Direction,
    limit: u32,
) -> String {
    format!(
        "SELECT id::uuid, url::text FROM (SELECT e.id, e.url, e.created_at FROM endpoints e \
         WHERE {} AND e.id IS NOT NULL LIMIT {limit}) few ORDER BY created_at NULLS FIRST, url DESC",
        endpoints_of(catalogue, project, direction),
    )
}

/// The conditions that the index of endpoints answers.
fn endpoints_of(catalogue: &Catalogue, project: &ProjectId, direction: Direction) -> String {
    let column = |name| catalogue.column("endpoints", name);
    format!(
        "{} AND {}",
        column("project_id").is_text("e.project_id", project.as_str()),
        column("direction").is_text("e.direction", direction.as_str()),
    )
}

#[cfg(test)]
mod tests {
    use exports_domain::{EndpointId, MessageStatus, TimeRange, time};

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
        let project = "proj_a".parse().unwrap();
        let statement = |filter: MessageFilter, url| {
            copy_statement(&project, &filter, TimeSlice::whole(&filter.range), url)
        };
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
