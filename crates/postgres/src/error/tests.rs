//! Classification of errors.

use super::*;
use crate::server_error::ServerError;

/// The message is not English: messages of the server may be in any language.
fn server_error(state: &str) -> sqlx::Error {
    sqlx::Error::from(ServerError {
        state: state.to_owned(),
        message: "das geht nicht".to_owned(),
    })
}

#[test]
fn errors_are_classified_by_their_sqlstate() {
    // `Some` if the database counts as unavailable: whether the statement may be committed.
    for (state, expected) in [
        ("25006", Some(false)),
        ("28P01", Some(false)),
        ("28000", Some(false)),
        ("53100", Some(false)),
        ("53200", Some(false)),
        ("53300", Some(false)),
        ("57P01", Some(true)),
        ("57P02", Some(true)),
        ("57P03", Some(false)),
        ("57P04", Some(true)),
        ("57P05", Some(true)),
        ("57000", Some(true)),
        ("3D000", Some(false)),
        ("53400", Some(false)),
        ("08006", Some(true)),
        ("08P01", Some(true)),
        ("22012", None),
        ("23505", None),
        ("42501", None),
        ("42P01", None),
        ("57014", None),
        ("XX000", None),
    ] {
        let error = Error::from(server_error(state));
        let found = match &error {
            Error::Unavailable {
                maybe_committed, ..
            } => Some(*maybe_committed),
            _ => None,
        };
        assert_eq!(found, expected, "{state}");
        assert_eq!(error.sql_state().as_deref(), Some(state));
        if expected.is_some() {
            assert!(error.is_transient(), "{state}");
        }
    }
}

#[test]
fn an_error_before_a_statement_is_sent_is_transient_and_not_committed() {
    for error in [
        server_error("3D000"),
        server_error("42501"),
        server_error("57P01"),
        sqlx::Error::Io(io::ErrorKind::ConnectionReset.into()),
        sqlx::Error::Tls("no certificate".into()),
        sqlx::Error::PoolTimedOut,
    ] {
        let error = Error::not_sent(error);
        assert!(error.is_transient(), "{error:?}");
        assert!(!error.may_be_committed(), "{error:?}");
    }
}
