//! Builds an [`Address`] from its parameters, and reports the first invalid value.

use std::time::Duration;

use super::environment::Environment;
use super::hosts::{hosts, set_passwords};
use super::parameters::{Parameters, part};
use super::tcp_timeouts::TcpTimeouts;
use super::types::{Address, ChannelBindingMode, RequiredAuth, TargetSession};
use crate::error::UrlError;
use crate::tls::TlsSettings;

pub(super) fn address(given: &Parameters, environment: &Environment) -> Result<Address, UrlError> {
    refuse_unsupported(given)?;
    let user = given.get("user").unwrap_or(&environment.user).to_owned();
    let database = given.get("dbname").map(str::to_owned);
    let mut hosts = hosts(given)?;
    let database_name = database.as_deref().unwrap_or(&user);
    let passfile_problem = set_passwords(&mut hosts, given, environment, database_name, &user);
    let timeout = given.number::<i64>("connect_timeout")?;
    let application_name = given
        .get("application_name")
        .or_else(|| given.get("fallback_application_name"));
    Ok(Address {
        hosts,
        shuffle: given
            .one_of(
                "load_balance_hosts",
                &[("disable", false), ("random", true)],
            )?
            .unwrap_or_default(),
        user,
        database,
        application_name: application_name.map(str::to_owned),
        options: given.get("options").map(str::to_owned),
        tls: TlsSettings::of(|name| given.get(name), |name| environment.home_file(name))?,
        target: given
            .one_of("target_session_attrs", &TARGETS)?
            .unwrap_or_default(),
        // In libpq, 0 and negative numbers mean no limit.
        connect_timeout: timeout
            .and_then(|seconds| u64::try_from(seconds).ok())
            .filter(|seconds| *seconds > 0)
            .map(Duration::from_secs),
        tcp_timeouts: TcpTimeouts::of(given)?,
        required_auth: required_auth(given)?,
        channel_binding: given
            .one_of("channel_binding", &BINDINGS)?
            .unwrap_or_default(),
        statement_cache: given.number("statement-cache-capacity")?,
        passfile_problem,
    })
}

const TARGETS: [(&str, TargetSession); 6] = [
    ("any", TargetSession::Any),
    ("read-write", TargetSession::ReadWrite),
    ("read-only", TargetSession::ReadOnly),
    ("primary", TargetSession::Primary),
    ("standby", TargetSession::Standby),
    ("prefer-standby", TargetSession::PreferStandby),
];

const BINDINGS: [(&str, ChannelBindingMode); 3] = [
    ("disable", ChannelBindingMode::Disable),
    ("prefer", ChannelBindingMode::Prefer),
    ("require", ChannelBindingMode::Require),
];

const AUTH_METHODS: [&str; 7] = [
    "password",
    "md5",
    "gss",
    "sspi",
    "scram-sha-256",
    "oauth",
    "none",
];

/// Refuses parameters that are less secure, or do not work, if they are ignored.
fn refuse_unsupported(given: &Parameters) -> Result<(), UrlError> {
    for (name, unsupported) in [("gssencmode", "require"), ("sslcertmode", "require")] {
        if given.get(name) == Some(unsupported) {
            return Err(part(format!("{name}={unsupported} is not supported")));
        }
    }
    for name in ["sslcrl", "sslcrldir"] {
        if given.get(name).is_some() {
            return Err(part(format!(
                "{name} is not supported: there is no check for revoked certificates"
            )));
        }
    }
    match given.get("replication") {
        None | Some("false" | "off" | "no" | "0") => Ok(()),
        Some(_) => Err(part("replication is not supported")),
    }
}

fn required_auth(given: &Parameters) -> Result<Option<RequiredAuth>, UrlError> {
    let Some(text) = given.get("require_auth") else {
        return Ok(None);
    };
    let listed: Vec<&str> = text.split(',').map(str::trim).collect();
    let is_negated = listed.iter().all(|method| method.starts_with('!'));
    let methods: Vec<String> = listed
        .iter()
        .map(|method| method.trim_start_matches('!').to_owned())
        .collect();
    let is_mixed = !is_negated && listed.iter().any(|method| method.starts_with('!'));
    if is_mixed || methods.iter().any(|m| !AUTH_METHODS.contains(&m.as_str())) {
        return Err(part(format!(
            "require_auth: expected some of {}, either all with '!' or none",
            AUTH_METHODS.join(", ")
        )));
    }
    Ok(Some(RequiredAuth {
        methods,
        is_negated,
    }))
}
