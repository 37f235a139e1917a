//! The texts of failed connections: the server, the reason, and what to do.

use std::io;

use super::transport::UNRESOLVED;
use crate::error::Error;
use crate::server_error::ServerError;

/// Adds the server, and what to do, to the reason of an error of connecting. The kind of the error stays.
pub(super) fn described(server: &str, error: Error) -> Error {
    match error {
        Error::Unavailable {
            source,
            maybe_committed,
        } => Error::Unavailable {
            source: with_server(server, source),
            maybe_committed,
        },
        Error::Refused(source) => Error::Refused(with_server(server, source)),
        other => other,
    }
}

fn with_server(server: &str, source: sqlx::Error) -> sqlx::Error {
    match source {
        sqlx::Error::Io(error) => {
            let text = format!("cannot connect to {server}: {}", io_text(&error));
            sqlx::Error::Io(io::Error::new(error.kind(), text))
        }
        sqlx::Error::Database(error) => match error.try_downcast::<ServerError>() {
            Ok(mut error) => {
                let advice = advice(&error);
                error.message = format!("cannot connect to {server}: {}{advice}", error.message);
                sqlx::Error::Database(error)
            }
            Err(error) => sqlx::Error::Database(error),
        },
        other => other,
    }
}

/// The texts of the operating system, in words that say what to do.
fn io_text(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            "connection refused: start the server, or correct host and port".to_owned()
        }
        io::ErrorKind::NotFound if error.raw_os_error().is_some() => {
            "the socket does not exist: start the server, or correct host and port".to_owned()
        }
        io::ErrorKind::NotFound if error.to_string() == UNRESOLVED => {
            format!("{UNRESOLVED}: correct it, or the DNS")
        }
        io::ErrorKind::UnexpectedEof => "the server closed the connection".to_owned(),
        _ => error.to_string(),
    }
}

/// What to do about an error of the server.
fn advice(error: &ServerError) -> &'static str {
    match error.state.as_str() {
        "28P01" => ": correct user and password",
        // The same SQLSTATE as "no pg_hba.conf entry", which says itself what is missing.
        "28000" if error.message.contains("not permitted to log in") => {
            ": run ALTER ROLE … LOGIN, or use another role"
        }
        "28000" if error.message.ends_with("does not exist") => ": create it, or correct the user",
        "3D000" => ": create it, or correct its name",
        _ => "",
    }
}
