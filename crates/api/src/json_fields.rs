//! A request body as JSON: one object whose values are texts and lists of texts.
//!
//! This module checks the JSON and the field names, and collects all faults. The endpoint says how a value is parsed.

mod object;

use exports_domain::{ValueSet, ValueSetError};
use serde_json::Value;
use serde_json::error::Category;

use crate::error::ApiError;
use crate::faults::{Faults, unknown_names};
use object::Object;

const UTF_8_BOM: &[u8] = b"\xef\xbb\xbf";
/// The byte order marks of UTF-16 and UTF-32. UTF-8 text cannot start with them.
const OTHER_BOMS: [&[u8]; 3] = [b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff"];

/// The fields of a JSON object, and the faults that were found in them. The endpoint reads its fields in their order, and
/// then calls [`Self::finish`].
#[derive(Debug)]
pub(crate) struct JsonFields {
    given: Vec<(String, Value)>,
    known: &'static [&'static str],
    pub(crate) faults: Faults,
}

/// A field of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Field<T> {
    /// Not given, or `null`.
    Absent,
    /// Given, with a fault, which is recorded.
    Faulty,
    Given(T),
}

impl<T> Field<T> {
    pub(crate) const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// The value, if there is one and it has no fault.
    pub(crate) fn value(self) -> Option<T> {
        match self {
            Self::Given(value) => Some(value),
            Self::Absent | Self::Faulty => None,
        }
    }
}

impl JsonFields {
    /// Fails if the body is no JSON object. Faults of its fields are recorded.
    pub(crate) fn parse(body: &[u8], known: &'static [&'static str]) -> Result<Self, ApiError> {
        // Some clients (.NET, PowerShell) send a byte order mark, and RFC 8259 lets a parser ignore it.
        let body = body.strip_prefix(UTF_8_BOM).unwrap_or(body);
        if OTHER_BOMS.iter().any(|bom| body.starts_with(bom)) {
            return Err(ApiError::invalid(
                "payload must be JSON in UTF-8: it starts with a byte order mark of UTF-16 or UTF-32",
            ));
        }
        if body.is_empty() {
            return Err(ApiError::invalid("payload must be valid JSON: it is empty"));
        }
        let Object(given) = serde_json::from_slice(body).map_err(|error| invalid_json(&error))?;
        Ok(Self {
            given,
            known,
            faults: Faults::default(),
        })
    }

    /// A field with a text that `parse` accepts. The fault of `parse` follows the name of the field.
    pub(crate) fn text<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Field<T> {
        self.field(name, |value| {
            parse(non_empty(&value).map_err(|rule| format!("{name} {rule}"))?)
                .map_err(|rule| format!("{name} {rule}"))
        })
    }

    /// A field with 1 to [`ValueSet::MAX`] distinct texts that `parse` accepts.
    pub(crate) fn list<T: Ord>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Field<ValueSet<T>> {
        self.field(name, |value| {
            let Value::Array(items) = &value else {
                return Err(format!("{name} must be a list of strings"));
            };
            let too_many = items.len() > ValueSet::<T>::MAX;
            let items = items.iter().take(ValueSet::<T>::MAX).enumerate();
            let mut faults = Vec::new();
            let mut values = Vec::new();
            for (at, item) in items {
                match non_empty(item).map_err(str::to_owned).and_then(&parse) {
                    Ok(value) => values.push(value),
                    Err(rule) => faults.push(format!("{name}[{at}] {rule}")),
                }
            }
            if too_many {
                faults.push(format!("{name} {}", ValueSetError::Size));
            }
            if !faults.is_empty() {
                return Err(faults.join("; "));
            }
            ValueSet::new(values).map_err(|error| match error {
                ValueSetError::Size => format!("{name} {error}"),
                ValueSetError::Repeated { index } => {
                    format!("{name}[{index}] is repeated: {name} {error}")
                }
            })
        })
    }

    fn field<T>(&mut self, name: &str, parse: impl FnOnce(Value) -> Result<T, String>) -> Field<T> {
        let mut values = self.given.extract_if(.., |(given, _)| given == name);
        let (first, more) = (values.next(), values.count());
        let parsed = match first {
            Some(_) if more > 0 => Err(format!("{name} must be given once")),
            None | Some((_, Value::Null)) => return Field::Absent,
            Some((_, value)) => parse(value),
        };
        self.faults.ok(parsed).map_or(Field::Faulty, Field::Given)
    }

    /// The error for all faults. Fields that were not read are unknown.
    pub(crate) fn finish(mut self) -> Result<(), ApiError> {
        let unknown = self.given.iter().map(|(name, _)| name.as_str());
        if let Some(fault) = unknown_names("field", unknown, || match self.known {
            [] => "this operation takes none".to_owned(),
            known => format!("the known fields are {}", known.join(", ")),
        }) {
            self.faults.add(fault);
        }
        self.faults.check()
    }
}

fn non_empty(value: &Value) -> Result<&str, &'static str> {
    match value {
        Value::String(text) if text.is_empty() => Err("must not be empty"),
        Value::String(text) => Ok(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err("must be a string")
        }
    }
}

/// The messages of the parser are not used, because some quote the input.
fn invalid_json(error: &serde_json::Error) -> ApiError {
    let reason = match error.classify() {
        Category::Data => ": an object is expected".to_owned(),
        Category::Syntax | Category::Eof | Category::Io => {
            format!(" (line {}, column {})", error.line(), error.column())
        }
    };
    ApiError::Invalid(format!("payload must be valid JSON{reason}"))
}

#[cfg(test)]
mod tests;
