//! The format of a file.

use crate::named_enum::named_enum;

named_enum! {
    /// The format of a file.
    #[derive(Default)]
    enum FileFormat: "snake_case" {
        /// CSV, by default as in RFC 4180.
        #[default]
        Csv,
        /// JSON Lines: one object per row.
        #[strum(serialize = "jsonl")]
        JsonLines,
        /// Apache Parquet.
        Parquet,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_have_the_names_of_the_contract() {
        assert_eq!(FileFormat::NAMES, ["csv", "jsonl", "parquet"]);
        for format in FileFormat::ALL {
            assert_eq!(format.as_str().parse(), Ok(*format));
        }
        assert!("json_lines".parse::<FileFormat>().is_err());
    }
}
