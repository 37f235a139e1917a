//! The JSON of the options of a file that are objects.

use exports_domain::CsvOptions;
use serde::Serialize;
use utoipa::ToSchema;

use crate::schema_enums::{DelimiterSchema, LineEndingSchema};

/// The dialect of a CSV
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CsvOptions)]
pub struct CsvOptionsJson {
    #[schema(value_type = DelimiterSchema)]
    delimiter: &'static str,
    #[schema(value_type = LineEndingSchema)]
    line_ending: &'static str,
    /// Whether the first record has the names of the columns
    #[schema(example = true)]
    header: bool,
    /// Whether the file starts with a byte order mark of UTF-8
    #[schema(example = false)]
    bom: bool,
    /// Whether free text that a spreadsheet would take for a formula has a leading `'`
    #[schema(example = true)]
    formula_guard: bool,
}

impl From<CsvOptions> for CsvOptionsJson {
    fn from(options: CsvOptions) -> Self {
        Self {
            delimiter: options.delimiter.as_str(),
            line_ending: options.line_ending.as_str(),
            header: options.header,
            bom: options.bom,
            formula_guard: options.formula_guard,
        }
    }
}
