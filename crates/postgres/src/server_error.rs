//! An error message of the server on our own connection, as a sqlx error. So callers check its
//! `SQLSTATE` in the same way for both kinds of connection.

use std::borrow::Cow;
use std::error::Error as StdError;

use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::ErrorResponseBody;
use sqlx::error::{DatabaseError, ErrorKind};

#[derive(Debug, Default, thiserror::Error)]
#[error("{message}")]
pub(crate) struct ServerError {
    pub(crate) state: String,
    pub(crate) message: String,
}

impl ServerError {
    /// `None` if the message is malformed.
    pub(crate) fn parse(body: &ErrorResponseBody) -> Option<Self> {
        let mut error = Self::default();
        let mut fields = body.fields();
        while let Some(field) = fields.next().ok()? {
            let value = String::from_utf8_lossy(field.value_bytes()).into_owned();
            match field.type_() {
                b'C' => error.state = value,
                b'M' => error.message = value,
                _ => {}
            }
        }
        Some(error)
    }
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
