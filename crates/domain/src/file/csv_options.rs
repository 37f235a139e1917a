//! The dialect of a CSV.

use crate::named_enum::named_enum;

named_enum! {
    /// The character between two fields. Its name is the character.
    #[derive(Default)]
    enum Delimiter: "snake_case" {
        /// `,`
        #[default]
        #[strum(serialize = ",")]
        Comma,
        /// `;`
        #[strum(serialize = ";")]
        Semicolon,
        /// A tab.
        #[strum(serialize = "\t")]
        Tab,
        /// `|`
        #[strum(serialize = "|")]
        Pipe,
    }
}

impl Delimiter {
    /// The byte in the file.
    #[must_use]
    pub const fn byte(self) -> u8 {
        match self {
            Self::Comma => b',',
            Self::Semicolon => b';',
            Self::Tab => b'\t',
            Self::Pipe => b'|',
        }
    }
}

named_enum! {
    /// The end of a record.
    #[derive(Default)]
    enum LineEnding: "snake_case" {
        /// Carriage return and line feed.
        #[default]
        Crlf,
        /// Line feed.
        Lf,
    }
}

impl LineEnding {
    /// The bytes in the file.
    #[must_use]
    pub const fn bytes(self) -> &'static [u8] {
        match self {
            Self::Crlf => b"\r\n",
            Self::Lf => b"\n",
        }
    }
}

/// The dialect of a CSV. The default is RFC 4180.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CsvOptions {
    /// Between two fields.
    pub delimiter: Delimiter,
    /// After each record, also the last.
    pub line_ending: LineEnding,
    /// Whether the first record has the names of the columns.
    pub header: bool,
    /// Whether the file starts with a byte order mark of UTF-8, which Excel needs.
    pub bom: bool,
    /// Whether free text that a spreadsheet would take for a formula gets a leading `'`.
    pub formula_guard: bool,
}

impl Default for CsvOptions {
    fn default() -> Self {
        Self {
            delimiter: Delimiter::default(),
            line_ending: LineEnding::default(),
            header: true,
            bom: false,
            formula_guard: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delimiter_is_named_by_its_character() {
        assert_eq!(Delimiter::NAMES, [",", ";", "\t", "|"]);
        for delimiter in Delimiter::ALL {
            assert_eq!(delimiter.as_str().as_bytes(), [delimiter.byte()]);
            assert_eq!(delimiter.as_str().parse(), Ok(*delimiter));
        }
        assert!("comma".parse::<Delimiter>().is_err());
    }

    #[test]
    fn the_default_is_rfc_4180() {
        let CsvOptions {
            delimiter,
            line_ending,
            header,
            bom,
            formula_guard,
        } = CsvOptions::default();
        assert_eq!(
            (delimiter.byte(), line_ending.bytes()),
            (b',', &b"\r\n"[..])
        );
        assert_eq!((header, bom, formula_guard), (true, false, true));
        assert_eq!(LineEnding::NAMES, ["crlf", "lf"]);
    }
}
