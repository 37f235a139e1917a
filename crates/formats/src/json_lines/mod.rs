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

/// A column, and the bytes before its value.
#[derive(Debug)]
struct Key {
    column: Column,
    /// `{"message_id":"` or `,"status":"`, and zeros. Copying a fixed number of bytes is faster than calling `memcpy`.
    bytes: [u8; 32],
    /// The length without the last quote.
    length: usize,
}

impl Key {
    fn new(index: usize, column: Column) -> Self {
        let start = if index == 0 { '{' } else { ',' };
        let text = format!("{start}\"{}\":\"", column.as_str());
        let mut bytes = [0; 32];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Self {
            column,
            bytes,
            length: text.len() - 1,
        }
    }

    /// Writes the key, and the first quote of the value if that is a text.
    #[inline]
    fn push(&self, file: &mut Vec<u8>, is_text: bool) {
        let end = file.len() + self.length + usize::from(is_text);
        file.extend_from_slice(&self.bytes);
        file.truncate(end);
    }

    #[inline]
    fn push_null(&self, file: &mut Vec<u8>) {
        self.push(file, false);
        file.extend_from_slice(b"null");
    }

    /// Writes the key and a text that a function of `fields` writes, with a quote instead of the comma after it.
    #[inline]
    fn push_quoted<T>(&self, file: &mut Vec<u8>, push: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        self.push(file, true);
        let pushed = push(file);
        if let Some(comma) = file.last_mut() {
            *comma = b'"';
        }
        pushed
    }
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
        Self {
            columns: (0..)
                .zip(&shape.columns)
                .map(|(index, column)| Key::new(index, *column))
                .collect(),
            urls: Arc::new(urls.map_or_else(Urls::in_rows, |urls| Urls::known(urls, encode))),
            time: ZonedTime::new(shape.time_zone),
        }
    }
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
        for key in self.columns.iter() {
            match values::value(key.column, row)? {
                Value::Uuid(id @ Some(_)) => key.push_quoted(file, |file| push_uuid(file, id)),
                Value::OutboundEndpoint(id @ Some(_)) => {
                    key.push_quoted(file, |file| push_outbound_endpoint(file, id));
                }
                Value::Int(number @ Some(_)) => {
                    key.push(file, false);
                    push_int(file, number);
                    file.pop();
                }
                Value::Time(time @ Some(_)) => {
                    let pushed = key.push_quoted(file, |file| self.time.push(file, time));
                    pushed.map_err(|error| out_of_range(row, key.column.as_str(), error))?;
                }
                Value::Status(name) => {
                    key.push(file, true);
                    file.extend_from_slice(name.as_bytes());
                    file.push(b'"');
                }
                Value::Url(_) if self.urls.are_known() => match self.urls.get(row.endpoint_id) {
                    Some(url) => {
                        key.push(file, false);
                        text::push_encoded(file, url, flush);
                    }
                    None => key.push_null(file),
                },
                Value::Url(Some(text)) | Value::Text(Some(text)) => {
                    key.push(file, false);
                    text::push(file, text, flush);
                }
                Value::Uuid(None)
                | Value::OutboundEndpoint(None)
                | Value::Int(None)
                | Value::Time(None)
                | Value::Url(None)
                | Value::Text(None) => key.push_null(file),
            }
        }
        file.extend_from_slice(b"}\n");
        Ok(())
    }

    fn end_slice(&mut self, _file: &mut Vec<u8>, _flush: &mut Flush<'_>) -> Result<(), WriteError> {
        Ok(())
    }
}
