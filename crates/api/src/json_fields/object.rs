//! A JSON object with its names as they were given.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A JSON object that keeps repeated names. `serde_json::Map` keeps only the last value.
#[derive(Debug)]
pub(super) struct Object(pub(super) Vec<(String, Given)>);

/// A value of an object.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Given {
    Object(Object),
    /// Any other value.
    Other(Value),
}

impl Given {
    /// The value. An object has no members, because only its kind matters where another value is expected.
    pub(super) fn into_value(self) -> Value {
        match self {
            Self::Object(_) => Value::Object(serde_json::Map::new()),
            Self::Other(value) => value,
        }
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Object(fields))
    }
}
