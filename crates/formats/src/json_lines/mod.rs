//! JSON Lines: one object per row, the columns as keys in their order, `null` for values that are not set.
//!
//! Numbers are numbers; ids and times are text as in the CSV. Each line ends with LF.

mod text;

use std::sync::Arc;

use exports_domain::{Column, MessageRow};
use uuid::Uuid;

use crate::fields::{push_int, push_outbound_endpoint, push_uuid};
use crate::urls::Urls;
use crate::values::{self, Value, out_of_range};
use crate::zoned::ZonedTime;
use crate::{FileShape, Flush, Format, RowFormat, TextFrame, WriteError};

/// Writes JSON Lines.
#[derive(Debug, Clone)]
pub struct JsonLinesWriter {
    columns: Arc<[Key]>,
    urls: Arc<Urls>,
    time: ZonedTime,
}

/// A column, and the bytes before its value: `{"message_id":` or `,"status":`.
#[derive(Debug)]
struct Key {
    column: Column,
    bytes: Box<[u8]>,
}

impl JsonLinesWriter {
    /// Writes files of this shape. `urls` has all endpoints; without it, each row has its URL.
    #[must_use]
    pub fn new(shape: &FileShape, urls: Option<impl IntoIterator<Item = (Uuid, String)>>) -> Self {
        let encode = |url: &str| {
            let mut text = Vec::new();
            text::push(&mut text, url, &mut |_| {});
            text
        };
        let key = |(index, column): (usize, &Column)| {
            let start = if index == 0 { '{' } else { ',' };
            Key {
                column: *column,
                bytes: format!("{start}\"{}\":", column.as_str())
                    .into_bytes()
                    .into_boxed_slice(),
            }
        };
        Self {
            columns: shape.columns.iter().enumerate().map(key).collect(),
            urls: Arc::new(urls.map_or_else(Urls::in_rows, |urls| Urls::known(urls, encode))),
            time: ZonedTime::new(shape.time_zone),
        }
    }
}

/// Writes a text that a function of `fields` writes, with quotes instead of the comma after it, or `null`.
#[inline]
fn push_quoted<T>(file: &mut Vec<u8>, is_set: bool, push: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    let quote = file.len();
    if is_set {
        file.push(b'"');
    }
    let pushed = push(file);
    if is_set && file.len() > quote + 1 {
        if let Some(comma) = file.last_mut() {
            *comma = b'"';
        }
    } else {
        file.pop();
        file.extend_from_slice(b"null");
    }
    pushed
}

impl Format for JsonLinesWriter {
    const HAS_GROUPS: bool = false;

    type Rows = Self;
    type Frame = TextFrame;

    fn rows(&self) -> Self {
        self.clone()
    }

    fn frame(&self) -> TextFrame {
        TextFrame::new(Vec::new())
    }
}

impl RowFormat for JsonLinesWriter {
    type Slice = ();

    fn push_row(
        &mut self,
        file: &mut Vec<u8>,
        row: &MessageRow<'_>,
        flush: &mut Flush<'_>,
    ) -> Result<(), WriteError> {
        for Key { column, bytes } in self.columns.iter() {
            file.extend_from_slice(bytes);
            match values::value(*column, row)? {
                Value::Uuid(id) => push_quoted(file, id.is_some(), |file| push_uuid(file, id)),
                Value::OutboundEndpoint(id) => {
                    push_quoted(file, id.is_some(), |file| push_outbound_endpoint(file, id));
                }
                Value::Int(Some(number)) => {
                    push_int(file, Some(number));
                    file.pop();
                }
                Value::Int(None) => file.extend_from_slice(b"null"),
                Value::Time(time) => {
                    let push = |file: &mut Vec<u8>| self.time.push(file, time);
                    push_quoted(file, time.is_some(), push)
                        .map_err(|error| out_of_range(row, column.as_str(), error))?;
                }
                Value::Status(name) => {
                    file.push(b'"');
                    file.extend_from_slice(name.as_bytes());
                    file.push(b'"');
                }
                Value::Url(_) if self.urls.are_known() => match self.urls.get(row.endpoint_id) {
                    Some(url) => text::push_encoded(file, url, flush),
                    None => file.extend_from_slice(b"null"),
                },
                Value::Url(text) | Value::Text(text) => match text {
                    Some(text) => text::push(file, text, flush),
                    None => file.extend_from_slice(b"null"),
                },
            }
        }
        file.extend_from_slice(b"}\n");
        Ok(())
    }

    fn end_slice(&mut self, _file: &mut Vec<u8>, _flush: &mut Flush<'_>) -> Result<(), WriteError> {
        Ok(())
    }
}
