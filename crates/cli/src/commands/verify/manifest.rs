//! The manifest as a file.

use std::fmt;

use exports_domain::{Compression, Delimiter, FileFormat};
use exports_wire::signed_bytes;
use serde::Deserialize;
use serde_json::Value;

#[derive(Debug)]
pub(super) struct Manifest {
    members: Members,
    /// Everything that the signature is over, also members that this version does not know.
    whole: Value,
}

#[derive(Debug, Deserialize)]
struct Members {
    export: Export,
    files: Vec<ManifestFile>,
    signature: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ManifestFile {
    pub(super) name: String,
    pub(super) row_count: u64,
    pub(super) file_size_bytes: u64,
    pub(super) sha256: String,
}

#[derive(Debug, Deserialize)]
struct Export {
    format: Option<String>,
    compression: Option<String>,
    csv: Option<Csv>,
}

#[derive(Debug, Deserialize)]
struct Csv {
    delimiter: String,
    header: bool,
}

/// How the rows of the files are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) format: FileFormat,
    pub(super) compression: Compression,
    pub(super) delimiter: Delimiter,
    pub(super) has_header: bool,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.format.fmt(f)?;
        match (self.format, self.compression) {
            (FileFormat::Parquet, _) | (_, Compression::None) => Ok(()),
            (_, compression) => write!(f, " with {compression}"),
        }
    }
}

impl Manifest {
    /// The response of the API, or its `data`.
    pub(super) fn parse(text: &str) -> Result<Self, serde_json::Error> {
        let mut whole: Value = serde_json::from_str(text)?;
        if let Some(data) = whole.get_mut("data") {
            whole = data.take();
        }
        let members = Members::deserialize(&whole)?;
        members.export.shape()?;
        Ok(Self { members, whole })
    }

    pub(super) fn files(&self) -> &[ManifestFile] {
        &self.members.files
    }

    pub(super) fn signature(&self) -> Option<&str> {
        self.members.signature.as_deref()
    }

    pub(super) fn signed_bytes(&self) -> Vec<u8> {
        signed_bytes(self.whole.clone())
    }

    pub(super) fn shape(&self) -> Shape {
        self.members.export.shape().expect("checked by `parse`")
    }
}

impl Export {
    fn shape(&self) -> Result<Shape, serde_json::Error> {
        let format = known(self.format.as_deref(), FileFormat::default())?;
        let csv = self.csv.as_ref();
        Ok(Shape {
            format,
            compression: known(self.compression.as_deref(), Compression::default_of(format))?,
            delimiter: known(csv.map(|csv| &*csv.delimiter), Delimiter::default())?,
            has_header: csv.is_none_or(|csv| csv.header),
        })
    }
}

fn known<T: std::str::FromStr<Err: fmt::Display>>(
    name: Option<&str>,
    default: T,
) -> Result<T, serde_json::Error> {
    let parse = |name: &str| {
        name.parse()
            .map_err(|error| serde::de::Error::custom(format!("{name:?} {error}")))
    };
    name.map_or(Ok(default), parse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_of_the_files_follows_from_the_export() {
        let shape = |export: &str| {
            let text = format!(r#"{{"data": {{"export": {export}, "files": []}}}}"#);
            Manifest::parse(&text).map(|manifest| manifest.shape())
        };
        let plain = Shape {
            format: FileFormat::Csv,
            compression: Compression::None,
            delimiter: Delimiter::Comma,
            has_header: true,
        };
        assert_eq!(shape("{}").unwrap(), plain);
        let dialect = r#"{"compression": "gzip", "csv": {"delimiter": ";", "header": false}}"#;
        let dialect = shape(dialect).unwrap();
        assert_eq!(dialect.to_string(), "csv with gzip");
        assert_eq!(
            (dialect.delimiter, dialect.has_header),
            (Delimiter::Semicolon, false)
        );
        assert_eq!(
            shape(r#"{"format": "parquet"}"#).unwrap().to_string(),
            "parquet"
        );
        assert!(shape(r#"{"format": "xlsx"}"#).is_err());
    }
}
