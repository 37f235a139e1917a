//! `keepalives…` and `tcp_user_timeout`: when the operating system closes a connection that has become
//! silent.
//!
//! Unlike libpq, whose default is what the operating system does (two hours), the default is half a
//! minute: a connection whose packets are dropped must not look alive.

use std::time::Duration;

use super::parameters::Parameters;
use crate::error::UrlError;

const IDLE: Duration = Duration::from_secs(15);
const INTERVAL: Duration = Duration::from_secs(5);
const PROBES: u32 = 3;
const USER_TIMEOUT: Duration = Duration::from_secs(30);

/// The TCP timeouts of a connection. `None`: the default of the operating system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TcpTimeouts {
    /// `keepalives`: whether probes are sent.
    pub(crate) has_keepalive: bool,
    /// `keepalives_idle`: the time without data until the first probe.
    pub(crate) idle: Option<Duration>,
    /// `keepalives_interval`: the time between two probes.
    pub(crate) interval: Option<Duration>,
    /// `keepalives_count`: the connection is closed after this number of unanswered probes.
    pub(crate) probes: Option<u32>,
    /// `tcp_user_timeout`: the connection is closed if sent data is not acknowledged for this time.
    pub(crate) user_timeout: Option<Duration>,
}

impl TcpTimeouts {
    /// As in libpq, 0 and negative numbers mean the default of the operating system.
    pub(super) fn of(given: &Parameters) -> Result<Self, UrlError> {
        let number = |name, default: u64| -> Result<Option<u64>, UrlError> {
            let number = given.number::<i64>(name)?;
            let number = number.map_or(default, |number| u64::try_from(number).unwrap_or(0));
            Ok((number > 0).then_some(number))
        };
        let seconds = |name, default: Duration| -> Result<Option<Duration>, UrlError> {
            Ok(number(name, default.as_secs())?.map(Duration::from_secs))
        };
        let user_timeout = number("tcp_user_timeout", USER_TIMEOUT.as_secs() * 1000)?;
        let probes = number("keepalives_count", PROBES.into())?;
        Ok(Self {
            has_keepalive: given.number::<i64>("keepalives")? != Some(0),
            idle: seconds("keepalives_idle", IDLE)?,
            interval: seconds("keepalives_interval", INTERVAL)?,
            probes: probes.map(|probes| u32::try_from(probes).unwrap_or(u32::MAX)),
            user_timeout: user_timeout.map(Duration::from_millis),
        })
    }
}
