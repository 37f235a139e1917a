//! libpq's parameters, and the environment variables of their defaults.

use super::environment::Environment;
use super::parameters::{Parameters, part};
use crate::error::UrlError;

/// Parameters that have an effect here, and the variable of their default.
const USED: [(&str, &str); 37] = [
    ("application_name", "PGAPPNAME"),
    ("channel_binding", "PGCHANNELBINDING"),
    ("connect_timeout", "PGCONNECT_TIMEOUT"),
    ("dbname", "PGDATABASE"),
    ("fallback_application_name", ""),
    ("gssencmode", "PGGSSENCMODE"),
    ("host", "PGHOST"),
    ("hostaddr", "PGHOSTADDR"),
    ("keepalives", ""),
    ("keepalives_count", ""),
    ("keepalives_idle", ""),
    ("keepalives_interval", ""),
    ("load_balance_hosts", "PGLOADBALANCEHOSTS"),
    ("options", "PGOPTIONS"),
    ("passfile", "PGPASSFILE"),
    ("password", "PGPASSWORD"),
    ("port", "PGPORT"),
    ("replication", ""),
    ("require_auth", "PGREQUIREAUTH"),
    ("service", "PGSERVICE"),
    ("servicefile", "PGSERVICEFILE"),
    ("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION"),
    ("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION"),
    ("sslcert", "PGSSLCERT"),
    ("sslcertmode", "PGSSLCERTMODE"),
    ("sslcrl", "PGSSLCRL"),
    ("sslcrldir", "PGSSLCRLDIR"),
    ("sslkey", "PGSSLKEY"),
    ("sslmode", "PGSSLMODE"),
    ("sslnegotiation", "PGSSLNEGOTIATION"),
    ("sslpassword", ""),
    ("sslrootcert", "PGSSLROOTCERT"),
    ("sslsni", "PGSSLSNI"),
    ("statement-cache-capacity", ""),
    ("target_session_attrs", "PGTARGETSESSIONATTRS"),
    ("tcp_user_timeout", ""),
    ("user", "PGUSER"),
];

/// Parameters of libpq that are accepted and ignored.
const IGNORED: &str = "authtype client_encoding gssdelegation gsslib krbsrvname max_protocol_version \
    min_protocol_version oauth_client_id oauth_client_secret oauth_issuer oauth_scope requirepeer \
    scram_client_key scram_server_key sslcompression sslkeylogfile tty";

/// Refuses an unknown parameter, which may be misspelt.
pub(super) fn check(given: &Parameters) -> Result<(), UrlError> {
    match given.names().find(|name| !is_known(name)) {
        None => Ok(()),
        Some(name) => {
            let meant = suggested(name)
                .map_or_else(String::new, |known| format!(": did you mean {known}?"));
            Err(part(format!(
                "{name:?} is not a parameter of a PostgreSQL connection{meant}"
            )))
        }
    }
}

/// The parameter that a misspelt name probably means.
fn suggested(name: &str) -> Option<&'static str> {
    const SIMILAR: f64 = 0.8;
    let rated = USED
        .iter()
        .map(|(used, _)| (strsim::jaro(name, used), *used));
    let best = rated.max_by(|(one, _), (other, _)| one.total_cmp(other));
    best.filter(|(similarity, _)| *similarity > SIMILAR)
        .map(|(_, used)| used)
}

pub(super) fn is_known(name: &str) -> bool {
    USED.iter().any(|(used, _)| *used == name) || IGNORED.split(' ').any(|ignored| ignored == name)
}

/// Sets parameters that are unset from the `PG*` variables.
pub(super) fn apply_variables(given: &mut Parameters, environment: &Environment) {
    for (name, variable) in USED {
        if let Some(value) = environment.variable(variable) {
            given.add(name, value);
        }
    }
}
