//! CSV with options: other columns, delimiters, line endings, time zones.

use std::sync::Arc;

use exports_domain::{Column, CsvOptions, MessageRow};
use uuid::Uuid;

use super::text::{self, Dialect};
use crate::fields::{push_int, push_outbound_endpoint, push_uuid};
use crate::urls::Urls;
use crate::values::{self, Value, out_of_range};
use crate::zoned::ZonedTime;
use crate::{FileShape, Flush, Format, RowFormat, TextFrame, WriteError};

const BOM: &[u8] = "\u{feff}".as_bytes();

/// Writes CSV with options.
#[derive(Debug, Clone)]
pub struct CustomCsvWriter {
    columns: Arc<[Column]>,
    urls: Arc<Urls>,
    dialect: Dialect,
    end_of_row: &'static [u8],
    has_header: bool,
    has_bom: bool,
    time: ZonedTime,
}

impl CustomCsvWriter {
    /// Writes files of this shape and dialect. `urls` has all endpoints; without it, each row has its URL.
    #[must_use]
    pub fn new(
        shape: &FileShape,
        options: CsvOptions,
        urls: Option<impl IntoIterator<Item = (Uuid, String)>>,
    ) -> Self {
        let dialect = Dialect {
            delimiter: options.delimiter.byte(),
            formula_guard: options.formula_guard,
        };
        let encode = |url: &str| {
            let mut field = Vec::new();
            text::push_free_text(&mut field, url.as_bytes(), dialect, &mut |_| {});
            field
        };
        Self {
            columns: shape.columns.clone().into(),
            urls: Arc::new(urls.map_or_else(Urls::in_rows, |urls| Urls::known(urls, encode))),
            dialect,
            end_of_row: options.line_ending.bytes(),
            has_header: options.header,
            has_bom: options.bom,
            time: ZonedTime::new(shape.time_zone),
        }
    }

    /// Whether the field of a value is empty.
    fn is_empty(&self, value: Value<'_>, row: &MessageRow<'_>) -> bool {
        match value {
            Value::Uuid(id) | Value::OutboundEndpoint(id) => id.is_none(),
            Value::Int(number) => number.is_none(),
            Value::Time(time) => time.is_none(),
            Value::Status(_) => false,
            Value::Url(_) if self.urls.are_known() => {
                self.urls.get(row.endpoint_id).is_none_or(<[u8]>::is_empty)
            }
            Value::Url(text) | Value::Text(text) => text.is_none_or(str::is_empty),
        }
    }
}

impl Format for CustomCsvWriter {
    const HAS_GROUPS: bool = false;

    type Rows = Self;
    type Frame = TextFrame;

    fn rows(&self) -> Self {
        self.clone()
    }

    fn frame(&self) -> TextFrame {
        let mut header = Vec::new();
        if self.has_bom {
            header.extend_from_slice(BOM);
        }
        if self.has_header {
            for column in self.columns.iter() {
                header.extend_from_slice(column.as_str().as_bytes());
                header.push(self.dialect.delimiter);
            }
            header.pop();
            header.extend_from_slice(self.end_of_row);
        }
        TextFrame::new(header)
    }
}

impl RowFormat for CustomCsvWriter {
    type Slice = ();

    fn push_row(
        &mut self,
        file: &mut Vec<u8>,
        row: &MessageRow<'_>,
        flush: &mut Flush<'_>,
    ) -> Result<(), WriteError> {
        for column in self.columns.iter() {
            let value = values::value(*column, row)?;
            // An empty line would be no row for readers.
            if self.columns.len() == 1 && self.is_empty(value, row) {
                file.extend_from_slice(b"\"\"");
            }
            // Each writes a comma after its field.
            match value {
                Value::Uuid(id) => push_uuid(file, id),
                Value::OutboundEndpoint(id) => push_outbound_endpoint(file, id),
                Value::Int(number) => push_int(file, number),
                Value::Time(time) => self
                    .time
                    .push(file, time)
                    .map_err(|error| out_of_range(row, column.as_str(), error))?,
                Value::Status(name) => {
                    file.extend_from_slice(name.as_bytes());
                    file.push(b',');
                }
                Value::Url(_) if self.urls.are_known() => {
                    let url = self.urls.get(row.endpoint_id).unwrap_or_default();
                    text::push_encoded(file, url, flush);
                    file.push(b',');
                }
                Value::Url(text) | Value::Text(text) => {
                    let text = text.unwrap_or_default().as_bytes();
                    text::push_free_text(file, text, self.dialect, flush);
                    file.push(b',');
                }
            }
            if let Some(comma) = file.last_mut() {
                *comma = self.dialect.delimiter;
            }
        }
        file.pop();
        file.extend_from_slice(self.end_of_row);
        Ok(())
    }

    fn end_slice(&mut self, _file: &mut Vec<u8>, _flush: &mut Flush<'_>) -> Result<(), WriteError> {
        Ok(())
    }
}
