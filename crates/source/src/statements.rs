//! The SQL statements of an export.
//!
//! Binary COPY has no types, so every column is cast to the type that `decode` expects. Values are
//! literals made from typed values: with parameters or settings, the planner knows neither the number
//! of rows nor the partitions. An unset filter is not in the text, where it would cost time per row.

use exports_domain::{Column, Direction, MessageFilter, ProjectId};

use crate::catalogue::Catalogue;
use crate::column::equals_one_of;
use crate::time_slice::{TimeSlice, literal, micros_of};

/// The maximum size of the URLs that an export keeps in memory, in bytes.
pub(crate) const MAX_URL_BYTES: u32 = 4 * 1024 * 1024;

/// The URL column of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UrlColumn {
    /// Always NULL: the reader knows the URLs.
    Null,
    /// The URL of the endpoint.
    Joined,
}

/// The COPY statement for the messages of a filter, without URLs, on tables that `exportctl admin migrate`
/// created.
#[must_use]
pub fn copy_statement(project: &ProjectId, filter: &MessageFilter, slice: TimeSlice) -> String {
    let catalogue = Catalogue::default();
    let columns = Column::all_of(filter.direction);
    Statements::new(project, filter, &catalogue).copy(slice, columns, UrlColumn::Null)
}

/// The statements for one filter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Statements<'a> {
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

impl<'a> Statements<'a> {
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

    /// The COPY statement for these columns of the messages of a slice, in the order of the file.
    pub(crate) fn copy(&self, slice: TimeSlice, columns: &[Column], url: UrlColumn) -> String {
        format!(
            "COPY ({}) TO STDOUT (FORMAT binary)",
            self.select_columns(slice, columns, url)
        )
    }

    /// The query of [`Self::copy`] for all columns.
    pub(crate) fn select(&self, slice: TimeSlice, url: UrlColumn) -> String {
        self.select_columns(slice, Column::all_of(self.filter.direction), url)
    }

    fn select_columns(&self, slice: TimeSlice, columns: &[Column], url: UrlColumn) -> String {
        let (url, join) = match url {
            UrlColumn::Null => ("NULL", String::new()),
            // In an operator's view, an id may have several rows. Like `endpoints_statement`, use the newest.
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
            "SELECT {}, {url}::text FROM messages m{join} WHERE {}",
            selected(columns),
            self.in_slice(slice),
        );
        self.push_filters(&mut text);
        text.push_str(" ORDER BY ");
        text.push_str(&self.order(""));
        text
    }

    /// The query for the messages of the filter without their columns, or for at most `limit` of them.
    pub(crate) fn matching(&self, limit: Option<u64>) -> String {
        let whole = TimeSlice::whole(&self.filter.range);
        let mut text = format!("SELECT 1 FROM messages m WHERE {}", self.in_slice(whole));
        self.push_filters(&mut text);
        if let Some(limit) = limit {
            text.push_str(" LIMIT ");
            text.push_str(&limit.to_string());
        }
        text
    }

    fn push_filters(&self, text: &mut String) {
        for condition in [self.has_status(), has_endpoint(self.catalogue, self.filter)]
            .into_iter()
            .flatten()
        {
            text.push_str(" AND ");
            text.push_str(&condition);
        }
    }

    fn has_status(&self) -> Option<String> {
        let statuses = self.filter.status.values();
        let names: Vec<_> = statuses.iter().map(|status| status.as_str()).collect();
        (!names.is_empty()).then(|| self.message("status").is_one_of("m.status", &names))
    }

    /// The statement for the time of one message of a slice: the one after the first `skip`, from its
    /// beginning or its end. It needs only the index for exports. It ignores the filters by status and
    /// endpoint, because an export also reads the messages that they exclude.
    pub(crate) fn time(&self, slice: TimeSlice, from: End, skip: u32) -> String {
        let order = self.order(match from {
            End::First => "",
            End::Last => " DESC",
        });
        // The time is computed outside the subquery: inside, it would be computed for skipped rows too.
        format!(
            "SELECT {} \
             FROM (SELECT m.created_at FROM messages m WHERE {} ORDER BY {order} OFFSET {skip} LIMIT 1) one",
            micros_of("created_at"),
            self.in_slice(slice),
        )
    }

    /// The order of the file. Ids are cast, because text may sort differently.
    fn order(&self, direction: &str) -> String {
        format!(
            "{}{direction}, {}{direction}",
            self.message("created_at").as_time("m.created_at"),
            self.message("id").as_uuid("m.id"),
        )
    }

    /// The conditions of the index for exports.
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

/// The list of values that the decoder expects. A column that the file does not have is NULL: it is not read.
///
/// The id is always there: errors name the message by it, and it is read for the order anyway. The id of the
/// endpoint is there if the file has the URL, which is found by it.
fn selected(columns: &[Column]) -> String {
    use Column as C;
    let values: [(&[Column], &str); 10] = [
        (
            &[C::EndpointId, C::InboundEndpointId, C::Endpoint],
            "m.endpoint_id::uuid",
        ),
        (&[C::Status], "m.status::text"),
        (&[C::AttemptCount], "m.attempt_count::int4"),
        (&[C::CreatedAt, C::ReceivedAt], "m.created_at::timestamptz"),
        (&[C::DeliveredAt], "m.delivered_at::timestamptz"),
        (&[C::NextAttemptAt], "m.next_attempt_at::timestamptz"),
        (&[C::ResponseStatus], "m.response_status::int4"),
        (&[C::ResponseLatencyMs], "m.response_latency_ms::int4"),
        (&[C::TotalDeliveryMs], "m.total_delivery_ms::int4"),
        (&[C::LastError], "m.last_error::text"),
    ];
    let mut list = "m.id::uuid".to_owned();
    for (needed_for, value) in values {
        list.push_str(", ");
        let is_needed = needed_for.iter().any(|column| columns.contains(column));
        list.push_str(if is_needed { value } else { "NULL" });
    }
    list
}

/// The statement for the URLs of a project's endpoints. Of several rows with the same id, the last one
/// counts.
///
/// If there are more than `limit` endpoints, or their URLs have more than [`MAX_URL_BYTES`] together,
/// the third column is false and no URL is sent.
pub(crate) fn endpoints_statement(
    catalogue: &Catalogue,
    project: &ProjectId,
    direction: Direction,
    limit: u32,
) -> String {
    format!(
        "SELECT id::uuid, CASE WHEN fits THEN url END::text, fits FROM (\
         SELECT id, url, created_at, count(*) OVER () <= {limit} \
         AND coalesce(sum(octet_length(url::text)) OVER (), 0) <= {MAX_URL_BYTES} AS fits \
         FROM (SELECT e.id, e.url, e.created_at FROM endpoints e \
         WHERE {} AND e.id IS NOT NULL LIMIT {limit} + 1) few) measured \
         ORDER BY created_at NULLS FIRST, url DESC",
        endpoints_of(catalogue, project, direction),
    )
}

/// The conditions of the index on endpoints.
fn endpoints_of(catalogue: &Catalogue, project: &ProjectId, direction: Direction) -> String {
    let column = |name| catalogue.column("endpoints", name);
    format!(
        "{} AND {}",
        column("project_id").is_text("e.project_id", project.as_str()),
        column("direction").is_text("e.direction", direction.as_str()),
    )
}

/// The condition on the endpoint of a message, if the filter has one.
pub(crate) fn has_endpoint(catalogue: &Catalogue, filter: &MessageFilter) -> Option<String> {
    let endpoints = filter.endpoint.values().iter();
    let ids: Vec<_> = endpoints.map(|it| format!("'{}'::uuid", it.0)).collect();
    let column = catalogue
        .column("messages", "endpoint_id")
        .as_uuid("m.endpoint_id");
    (!ids.is_empty()).then(|| equals_one_of(&column, &ids))
}

#[cfg(test)]
mod tests {
    use exports_domain::{Choice, EndpointId, MessageStatus, TimeRange, ValueSet, time};

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
            status: status.into(),
            endpoint: endpoint.into(),
        }
    }

    #[test]
    fn a_column_that_the_file_does_not_have_is_not_read() {
        let all = selected(Column::all_of(Direction::Inbound));
        assert!(!all.contains("NULL"), "{all}");
        let outbound = selected(Column::all_of(Direction::Outbound));
        assert_eq!(outbound, all.replace("m.total_delivery_ms::int4", "NULL"));
        assert_eq!(
            selected(&[Column::LastError]),
            "m.id::uuid, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, m.last_error::text"
        );
        assert_eq!(
            selected(&[Column::Endpoint, Column::ReceivedAt]),
            "m.id::uuid, m.endpoint_id::uuid, NULL, NULL, m.created_at::timestamptz, NULL, NULL, NULL, NULL, NULL, NULL"
        );
    }

    #[test]
    fn an_unset_filter_is_not_in_the_statement() {
        let project = "proj_a".parse().unwrap();
        let statement = |filter: MessageFilter, url| {
            let catalogue = Catalogue::default();
            let statements = Statements::new(&project, &filter, &catalogue);
            let columns = Column::all_of(filter.direction);
            statements.copy(TimeSlice::whole(&filter.range), columns, url)
        };
        let text = statement(filter(None, None), UrlColumn::Null);
        assert!(
            !text.contains("m.status ") && !text.contains("m.endpoint_id "),
            "{text}"
        );
        assert!(text.contains("m.created_at <= '9999-12-31T23:59:59.999999Z'::timestamptz ORDER"));

        let endpoint = EndpointId::parse_inbound("550e8400-e29b-41d4-a716-446655440000").unwrap();
        let text = statement(
            filter(Some(MessageStatus::PendingRetry), Some(endpoint)),
            UrlColumn::Joined,
        );
        assert!(text.contains(" AND m.status = 'pending_retry' AND m.endpoint_id = '550e8400-"));

        let list = |filter| MessageFilter {
            status: Choice::OneOf(ValueSet::new(vec![MessageStatus::PendingRetry]).unwrap()),
            endpoint: Choice::OneOf(ValueSet::new(vec![endpoint]).unwrap()),
            ..filter
        };
        assert_eq!(
            statement(list(filter(None, None)), UrlColumn::Joined),
            text,
            "a list of one value is the same statement"
        );
        let several = MessageFilter {
            status: Choice::OneOf(ValueSet::new(MessageStatus::ALL.to_vec()).unwrap()),
            ..filter(None, None)
        };
        let text = statement(several, UrlColumn::Null);
        assert!(
            text.contains(" AND m.status IN ('queued', 'delivering', "),
            "{text}"
        );
    }
}
