//! The settings of a session on the source. None of them is part of the SQL standard, so a server
//! may refuse any: then the session works without it, and `exportctl check` says what that costs.

use super::connection::Connection;
use crate::error::Error;

/// A setting that the server refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedSetting {
    /// The setting's name.
    pub name: &'static str,
    /// What is lost without it.
    pub loss: &'static str,
}

/// Whether row-level security may hide messages from the role of the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RowSecurity {
    /// Hidden rows are an error: an export has all messages of its filter, or it fails.
    #[default]
    Refuse,
    /// The role is meant to see only some rows, and its exports have only these.
    Apply,
}

/// A setting: its name, the statement that sets it, and what is lost if the server refuses it.
struct Setting(&'static str, &'static str, &'static str);

const TOO_LONG: &str = "the server may end exports that take long";

/// The client bounds how long an export takes. The compiler for expressions costs more than it
/// saves on rows that are only passed on.
const SETTINGS: [Setting; 7] = [
    Setting("statement_timeout", "SET statement_timeout = 0", TOO_LONG),
    Setting(
        "idle_in_transaction_session_timeout",
        "SET idle_in_transaction_session_timeout = 0",
        TOO_LONG,
    ),
    Setting(
        "lock_timeout",
        "SET lock_timeout = 0",
        "an export that waits for a lock on the messages may fail and be retried",
    ),
    // From PostgreSQL 17 on.
    Setting(
        "transaction_timeout",
        "SELECT set_config('transaction_timeout', '0', false) \
         WHERE current_setting('transaction_timeout', true) IS NOT NULL",
        TOO_LONG,
    ),
    Setting("jit", "SET jit = off", "large exports may start later"),
    Setting(
        "client_connection_check_interval",
        "SELECT set_config('client_connection_check_interval', '10s', false) \
         WHERE current_setting('client_connection_check_interval', true) IS NOT NULL",
        "the server may go on with a query whose worker is gone",
    ),
    Setting(
        "row_security",
        "SET row_security = off",
        "rows that row-level security hides are missing from files, and nothing says so",
    ),
];

/// Sets them all. Gives those that the server refused.
pub(super) async fn apply(
    connection: &mut Connection,
    row_security: RowSecurity,
) -> Result<Vec<RefusedSetting>, Error> {
    let wanted = |setting: &&Setting| match row_security {
        RowSecurity::Refuse => true,
        RowSecurity::Apply => setting.0 != "row_security",
    };
    let settings: Vec<_> = SETTINGS.iter().filter(wanted).collect();
    let statements: Vec<_> = settings.iter().map(|setting| setting.1).collect();
    match connection.query(&statements.join("; ")).await {
        Ok(_) => return Ok(Vec::new()),
        Err(error) if error.is_refused() => {}
        Err(error) => return Err(error),
    }
    // The refusal has undone them all: each by itself, then.
    let mut refused = Vec::new();
    for &Setting(name, statement, loss) in settings {
        match connection.query(statement).await {
            Ok(_) => {}
            Err(error) if error.is_refused() => {
                tracing::debug!(%error, setting = name, "the source refuses a setting");
                refused.push(RefusedSetting { name, loss });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(refused)
}
