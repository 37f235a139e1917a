//! A request body as JSON: one object whose values are texts, booleans, whole numbers, lists of texts, and objects of these.
//!
//! This module checks the JSON and the field names, and collects all faults. The endpoint says how a value is parsed.

mod object;

use exports_domain::{ValueSet, ValueSetError};
use serde_json::Value;
use serde_json::error::Category;

use crate::error::ApiError;
use crate::faults::{Faults, unknown_names};
use object::{Given, Object};

const UTF_8_BOM: &[u8] = b"\xef\xbb\xbf";
/// The byte order marks of UTF-16 and UTF-32. UTF-8 text cannot start with them.
const OTHER_BOMS: [&[u8]; 3] = [b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff"];

/// The fields of a JSON object, and the faults that were found in them. The endpoint reads its fields in their order, and
/// then calls [`Self::finish`].
#[derive(Debug)]
pub(crate) struct JsonFields {
    given: Vec<(String, Given)>,
    /// What precedes the names of the fields in messages: `csv.` in the object `csv`.
    prefix: String,
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
            prefix: String::new(),
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
        self.field(name, |name, value| {
            let text = non_empty(&value).map_err(str::to_owned);
            text.and_then(parse)
                .map_err(|rule| format!("{name} {rule}"))
        })
    }

    /// A field with `true` or `false`.
    pub(crate) fn boolean(&mut self, name: &str) -> Field<bool> {
        self.field(name, |name, value| {
            let boolean = value.as_bool();
            boolean.ok_or_else(|| format!("{name} must be true or false"))
        })
    }

    /// A field with a whole number that `parse` accepts. A negative one is passed as 0.
    pub(crate) fn whole_number<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(u64) -> Result<T, String>,
    ) -> Field<T> {
        self.field(name, |name, value| {
            let negative = value.as_i64().map(|_| 0);
            let number = value.as_u64().or(negative);
            let number = number.ok_or_else(|| "must be a whole number".to_owned());
            number
                .and_then(parse)
                .map_err(|rule| format!("{name} {rule}"))
        })
    }

    /// A field with an object, whose fields `read` takes.
    pub(crate) fn object<T>(
        &mut self,
        name: &str,
        known: &'static [&'static str],
        read: impl FnOnce(&mut Self) -> T,
    ) -> Field<T> {
        let given = match self.take(name) {
            Field::Absent => return Field::Absent,
            Field::Faulty => return Field::Faulty,
            Field::Given(Given::Object(Object(given))) => given,
            Field::Given(Given::Other(_)) => {
                let fault = format!("{}{name} must be an object", self.prefix);
                self.faults.add(fault);
                return Field::Faulty;
            }
        };
        let mut inner = Self {
            given,
            prefix: format!("{}{name}.", self.prefix),
            known,
            faults: Faults::default(),
        };
        let value = read(&mut inner);
        inner.add_unknown();
        if self.faults.append(inner.faults) {
            Field::Faulty
        } else {
            Field::Given(value)
        }
    }

    /// A field with 1 to [`ValueSet::MAX`] distinct texts that `parse` accepts.
    pub(crate) fn list<T: Ord>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Field<ValueSet<T>> {
        self.field(name, |name, value| {
            let values = items(name, &value, ValueSet::<T>::MAX, parse)?;
            ValueSet::new(values).map_err(|error| match error {
                ValueSetError::Size => format!("{name} {error}"),
                ValueSetError::Repeated { index } => {
                    format!("{name}[{index}] is repeated: {name} {error}")
                }
            })
        })
    }

    /// A field with 1 to `max` texts that `parse` accepts, in their order. `check` sees all values, and its faults follow the
    /// name of the field.
    pub(crate) fn sequence<T, U>(
        &mut self,
        name: &str,
        max: usize,
        parse: impl Fn(&str) -> Result<T, String>,
        check: impl FnOnce(Vec<T>) -> Result<U, Vec<String>>,
    ) -> Field<U> {
        self.field(name, |name, value| {
            let values = items(name, &value, max, parse)?;
            if values.is_empty() {
                return Err(format!("{name} must have 1 to {max} values"));
            }
            check(values).map_err(|faults| {
                let faults = faults.iter().map(|fault| format!("{name}{fault}"));
                faults.collect::<Vec<_>>().join("; ")
            })
        })
    }

    /// `parse` gets the name as it is in messages.
    fn field<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str, Value) -> Result<T, String>,
    ) -> Field<T> {
        let value = match self.take(name) {
            Field::Absent => return Field::Absent,
            Field::Faulty => return Field::Faulty,
            Field::Given(given) => given.into_value(),
        };
        let parsed = parse(&format!("{}{name}", self.prefix), value);
        self.faults.ok(parsed).map_or(Field::Faulty, Field::Given)
    }

    fn take(&mut self, name: &str) -> Field<Given> {
        let mut values = self.given.extract_if(.., |(given, _)| given == name);
        let (first, more) = (values.next(), values.count());
        match first {
            Some(_) if more > 0 => {
                let fault = format!("{}{name} must be given once", self.prefix);
                self.faults.add(fault);
                Field::Faulty
            }
            None | Some((_, Given::Other(Value::Null))) => Field::Absent,
            Some((_, value)) => Field::Given(value),
        }
    }

    /// The error for all faults. Fields that were not read are unknown.
    pub(crate) fn finish(mut self) -> Result<(), ApiError> {
        self.add_unknown();
        self.faults.check()
    }

    fn add_unknown(&mut self) {
        let prefix = &self.prefix;
        let given = self.given.iter().map(|(name, _)| format!("{prefix}{name}"));
        let unknown: Vec<_> = given.collect();
        let unknown = unknown.iter().map(String::as_str);
        let known = || {
            let names = self.known.iter().map(|name| format!("{prefix}{name}"));
            names.collect::<Vec<_>>().join(", ")
        };
        if let Some(fault) = unknown_names("field", unknown, || match self.known {
            [] => "this operation takes none".to_owned(),
            _ => format!("the known fields are {}", known()),
        }) {
            self.faults.add(fault);
        }
    }
}

/// The texts of a list, at most `max`. The error has all faults.
fn items<T>(
    name: &str,
    value: &Value,
    max: usize,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    let Value::Array(items) = value else {
        return Err(format!("{name} must be a list of strings"));
    };
    let mut faults = Vec::new();
    let mut values = Vec::new();
    for (at, item) in items.iter().take(max).enumerate() {
        match non_empty(item).map_err(str::to_owned).and_then(&parse) {
            Ok(value) => values.push(value),
            Err(rule) => faults.push(format!("{name}[{at}] {rule}")),
        }
    }
    if items.len() > max {
        faults.push(format!("{name} must have 1 to {max} values"));
    }
    if faults.is_empty() {
        Ok(values)
    } else {
        Err(faults.join("; "))
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
