//! The settings of a session on the source. None is part of the SQL standard, so every setting is
//! optional: if the server refuses one, the session works without it, and `exportctl admin check` reports the
//! effect.

use crate::connection::SourceConnection;
use crate::error::Error;

/// A setting that the server refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedSetting {
    /// The name.
    pub name: &'static str,
    /// The effect of its absence.
    pub loss: &'static str,
}

/// Whether row-level security may hide messages from the role of the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RowSecurity {
    /// No: an export that would miss hidden rows fails.
    #[default]
    Refuse,
    /// Yes: exports contain only the rows that the role may see.
    Apply,
}

/// A setting: its name, the statement that sets it, and the effect of its absence.
struct Setting(&'static str, &'static str, &'static str);

const TOO_LONG: &str = "the server may cancel long exports";

/// The worker limits the duration of an export, so the server's timeouts are off. JIT costs more time
/// than it saves here.
const SETTINGS: [Setting; 8] = [
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
    // Since PostgreSQL 17.
    Setting(
        "transaction_timeout",
        "SELECT set_config('transaction_timeout', '0', false) \
         WHERE current_setting('transaction_timeout', true) IS NOT NULL",
        TOO_LONG,
    ),
    // Constraints prove that no message has an unknown direction or status (see `excluded_rows`).
    Setting(
        "constraint_exclusion",
        "SET constraint_exclusion = on",
        "each export searches for messages with an unknown direction or status",
    ),
    Setting("jit", "SET jit = off", "large exports may start later"),
    Setting(
        "client_connection_check_interval",
        "SELECT set_config('client_connection_check_interval', '10s', false) \
         WHERE current_setting('client_connection_check_interval', true) IS NOT NULL",
        "the server may continue a query after its worker has disconnected",
    ),
    Setting(
        "row_security",
        "SET row_security = off",
        "rows that row-level security hides are missing from files without an error",
    ),
];

/// Applies all settings. Returns those that the server refused.
pub(crate) async fn apply(
    connection: &mut SourceConnection,
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
    // The server has undone all of them. Apply each one separately.
    let mut refused = Vec::new();
    for &Setting(name, statement, loss) in settings {
        match connection.query(statement).await {
            Ok(_) => {}
            Err(error) if error.is_refused() => {
                tracing::debug!(%error, setting = name, "the source refuses a session setting");
                refused.push(RefusedSetting { name, loss });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(refused)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(4 + body.len()).unwrap();
        [&[kind], length.to_be_bytes().as_slice(), body].concat()
    }

    fn refusal(state: &str) -> Vec<u8> {
        message(b'E', format!("SERROR\0C{state}\0Mno\0\0").as_bytes())
    }

    fn ready() -> Vec<u8> {
        message(b'Z', b"I")
    }

    #[tokio::test]
    async fn a_rejected_setting_is_skipped_and_reported() {
        let (ours, mut server) = duplex(1 << 20);
        let serve = async {
            let mut statements = Vec::new();
            loop {
                let mut head = [0; 5];
                if server.read_exact(&mut head).await.is_err() {
                    return statements;
                }
                let length = u32::from_be_bytes(head[1..].try_into().unwrap());
                let mut text = vec![0; length as usize - 4];
                server.read_exact(&mut text).await.unwrap();
                let text = String::from_utf8(text).unwrap();
                let messages = if text.contains("jit") {
                    [refusal("42704"), ready()]
                } else {
                    [message(b'C', b"SET\0"), ready()]
                };
                statements.push(text);
                server.write_all(&messages.concat()).await.unwrap();
            }
        };
        let set = async {
            let mut connection = SourceConnection::over(ours);
            apply(&mut connection, RowSecurity::Apply).await.unwrap()
        };
        let (statements, refused) = tokio::join!(serve, set);
        let names: Vec<_> = refused.iter().map(|refused| refused.name).collect();
        assert_eq!(names, ["jit"]);
        // One batch, then seven single statements. `row_security` is not set.
        assert_eq!(statements.len(), 8);
        assert!(statements.iter().all(|text| !text.contains("row_security")));
    }
}
