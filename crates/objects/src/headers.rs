//! The HTTP headers of a downloaded file, the same for every store.
//!
//! A bucket stores them with the object and sends them itself. A directory cannot, so the API takes them from here.

use object_store::{Attribute, Attributes};

/// The metadata of a file: its content type, and the name under which browsers save it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileHeaders {
    file_name: String,
    content_type: &'static str,
}

impl FileHeaders {
    /// A file of this type that browsers save as `file_name`. It has no `Content-Encoding`, also if it is compressed: clients
    /// would unpack it, and the digest would not match.
    ///
    /// Characters other than ASCII letters, digits, `.`, `-` and `_` become `_`,
    /// because clients differ in how they unescape a quoted
    /// header value.
    #[must_use]
    pub fn attachment(file_name: &str, content_type: &'static str) -> Self {
        let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let file_name = file_name.chars().map(|c| if safe(c) { c } else { '_' });
        Self {
            file_name: file_name.collect(),
            content_type,
        }
    }

    /// The value of `Content-Type`.
    #[must_use]
    pub const fn content_type(&self) -> &'static str {
        self.content_type
    }

    /// The value of `Content-Disposition`.
    #[must_use]
    pub fn content_disposition(&self) -> String {
        format!("attachment; filename=\"{}\"", self.file_name)
    }

    pub(crate) fn attributes(&self) -> Attributes {
        [
            (Attribute::ContentType, self.content_type.to_owned()),
            (Attribute::ContentDisposition, self.content_disposition()),
        ]
        .into_iter()
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_characters_in_a_file_name_are_replaced() {
        let headers = FileHeaders::attachment("export-1\"; x=\r\n.csv", "text/csv");
        assert_eq!(
            headers.content_disposition(),
            "attachment; filename=\"export-1___x___.csv\""
        );
        let headers = FileHeaders::attachment("export-0190-ab.csv.gz", "application/gzip");
        assert_eq!(
            headers.content_disposition(),
            "attachment; filename=\"export-0190-ab.csv.gz\""
        );
    }
}
