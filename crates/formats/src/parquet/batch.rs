//! Collects the values of some rows, column by column.

use std::collections::HashMap;

use bytes::Bytes;
use exports_domain::{Column, MessageRow, PgTimestamp};
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;

use super::schema::{Kind, Schema, is_required, kind};
use crate::fields::{OutOfRange, is_in_range, push_outbound_endpoint, push_uuid, unix_micros};
use crate::urls::Urls;
use crate::values::Value;

/// The rows of a batch: so many that a call for each column costs little.
pub(super) const ROWS: usize = 1024;
/// A batch with so many bytes of text ends earlier: the library ends a page only after a batch.
const TEXT: usize = 256 * 1024;
/// The most texts of endpoints that a slice keeps.
const KEPT: usize = 4096;
/// `01935abc-def0-7123-4567-890abcdef012`.
const ID: usize = 36;

/// Values of some rows.
#[derive(Debug)]
pub(super) struct Batch {
    columns: Vec<Values>,
    rows: usize,
    text: usize,
    /// Texts that many rows have in common share their memory.
    endpoint_ids: HashMap<u128, ByteArray, foldhash::fast::RandomState>,
    urls: HashMap<u128, ByteArray, foldhash::fast::RandomState>,
}

/// The values of one column.
#[derive(Debug)]
pub(super) struct Values {
    pub(super) set: SetValues,
    /// 1 for each value that is set, 0 for others; `None` if every message has a value.
    pub(super) levels: Option<Vec<i16>>,
}

/// The values that are set.
#[derive(Debug)]
pub(super) enum SetValues {
    /// One after the other.
    Ids(Vec<u8>),
    Texts(Vec<ByteArray>),
    Ints(Vec<i32>),
    Times(Vec<i64>),
}

impl Batch {
    pub(super) fn new(schema: &Schema) -> Self {
        let values = |column: &Column| Values {
            set: match kind(*column) {
                Kind::Id => SetValues::Ids(Vec::new()),
                Kind::Text => SetValues::Texts(Vec::new()),
                Kind::Int => SetValues::Ints(Vec::new()),
                Kind::Time => SetValues::Times(Vec::new()),
            },
            levels: (!is_required(*column)).then(Vec::new),
        };
        Self {
            columns: schema.columns.iter().map(values).collect(),
            rows: 0,
            text: 0,
            endpoint_ids: HashMap::default(),
            urls: HashMap::default(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    pub(super) fn is_full(&self) -> bool {
        self.rows >= ROWS || self.text >= TEXT
    }

    pub(super) fn end_row(&mut self) {
        self.rows += 1;
    }

    /// The columns and the number of rows. The caller has to empty the columns.
    pub(super) fn take(&mut self) -> (&mut [Values], usize) {
        self.text = 0;
        (&mut self.columns, std::mem::take(&mut self.rows))
    }

    /// Adds the value of a column.
    pub(super) fn push(
        &mut self,
        column: usize,
        value: Value<'_>,
        row: &MessageRow<'_>,
        urls: &Urls,
    ) -> Result<(), OutOfRange> {
        let text = match value {
            Value::Int(number) => {
                self.columns[column].push_int(number);
                return Ok(());
            }
            Value::Time(time) => return self.columns[column].push_time(time),
            Value::Uuid(Some(id)) if self.columns[column].push_id(id) => return Ok(()),
            Value::Uuid(id) => {
                id.map(|id| kept(&mut self.endpoint_ids, id, || uuid(push_uuid, id)))
            }
            Value::OutboundEndpoint(id) => id.map(|id| {
                kept(&mut self.endpoint_ids, id, || {
                    uuid(push_outbound_endpoint, id)
                })
            }),
            Value::Url(_) if urls.are_known() => urls.get(row.endpoint_id).map(|url| {
                let id = row.endpoint_id.unwrap_or_default();
                kept(&mut self.urls, id, || url.to_vec().into())
            }),
            Value::Status(name) => Some(Bytes::from_static(name.as_bytes()).into()),
            Value::Url(text) | Value::Text(text) => text.map(|text| {
                self.text += text.len();
                text.as_bytes().to_vec().into()
            }),
        };
        self.columns[column].push_text(text);
        Ok(())
    }
}

/// The text of an endpoint, made once for many rows.
fn kept(
    texts: &mut HashMap<u128, ByteArray, foldhash::fast::RandomState>,
    endpoint: [u8; 16],
    make: impl FnOnce() -> ByteArray,
) -> ByteArray {
    if texts.len() >= KEPT {
        texts.clear();
    }
    let text = texts.entry(u128::from_be_bytes(endpoint));
    text.or_insert_with(make).clone()
}

fn uuid(push: fn(&mut Vec<u8>, Option<[u8; 16]>), id: [u8; 16]) -> ByteArray {
    let mut text = Vec::with_capacity(ID + 1);
    push(&mut text, Some(id));
    text.pop();
    text.into()
}

impl Values {
    fn level(&mut self, is_set: bool) {
        if let Some(levels) = &mut self.levels {
            levels.push(is_set.into());
        }
    }

    /// `false` if the column has texts.
    fn push_id(&mut self, id: [u8; 16]) -> bool {
        let SetValues::Ids(ids) = &mut self.set else {
            return false;
        };
        push_uuid(ids, Some(id));
        ids.pop();
        true
    }

    fn push_int(&mut self, number: Option<i32>) {
        self.level(number.is_some());
        if let SetValues::Ints(numbers) = &mut self.set {
            numbers.extend(number);
        }
    }

    fn push_time(&mut self, time: Option<PgTimestamp>) -> Result<(), OutOfRange> {
        if let Some(time) = time
            && !is_in_range(time)
        {
            return Err(OutOfRange);
        }
        self.level(time.is_some());
        if let SetValues::Times(times) = &mut self.set {
            times.extend(time.map(unix_micros));
        }
        Ok(())
    }

    fn push_text(&mut self, text: Option<ByteArray>) {
        self.level(text.is_some());
        if let SetValues::Texts(texts) = &mut self.set {
            texts.extend(text);
        }
    }
}

/// Separate values of ids that are one after the other.
pub(super) fn split_ids(ids: &mut Vec<u8>) -> Result<Vec<ByteArray>, ParquetError> {
    let capacity = ids.capacity();
    let ids = Bytes::from(std::mem::replace(ids, Vec::with_capacity(capacity)));
    if ids.len() % ID != 0 {
        return Err(ParquetError::General("ids of wrong lengths".to_owned()));
    }
    let starts = (0..ids.len()).step_by(ID);
    Ok(starts.map(|at| ids.slice(at..at + ID).into()).collect())
}
