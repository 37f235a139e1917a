//! What the server says when it refuses, as the error that sqlx would have made of it: callers
//! sort errors by their `SQLSTATE`, whichever connection they come from.

use std::borrow::Cow;
use std::error::Error as StdError;

use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::ErrorResponseBody;
use sqlx::error::{DatabaseError, ErrorKind};

use crate::wire::out_of_step;
use crate::error::Error;

#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct ServerError {
    state: String,
    message: String,
}

/// The server's error.
pub(crate) fn of(body: &ErrorResponseBody) -> Error {
    let (mut state, mut message) = (String::new(), String::new());
    let mut fields = body.fields();
    loop {
        match fields.next() {
            Ok(Some(field)) => {
                let value = String::from_utf8_lossy(field.value_bytes()).into_owned();
                match field.type_() {
                    b'C' => state = value,
                    b'M' => message = value,
                    _ => {}
                }
            }
            Ok(None) => break,
            Err(_) => return out_of_step(),
        }
    }
    sqlx::Error::Database(Box::new(ServerError { state, message })).into()
}

impl DatabaseError for ServerError {
    fn message(&self) -> &str {
        &self.message
    }

    fn code(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(&self.state))
    }

    fn as_error(&self) -> &(dyn StdError + Send + Sync + 'static) {
        self
    }

    fn as_error_mut(&mut self) -> &mut (dyn StdError + Send + Sync + 'static) {
        self
    }

    fn into_error(self: Box<Self>) -> Box<dyn StdError + Send + Sync + 'static> {
        self
    }

    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}
