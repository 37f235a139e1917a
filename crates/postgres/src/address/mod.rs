//! The address of a database, parsed once into our own type. Nothing here connects.
//!
//! An address can be everything that libpq accepts: a URL or a `keyword=value` string, with several
//! hosts, Unix sockets, `PG*` variables, service files and password files.

mod environment;
mod from_parameters;
mod hosts;
mod parameter_names;
mod parameters;
mod passfile;
mod service_file;
mod tcp_timeouts;
#[cfg(test)]
mod tests;
mod types;
mod unencoded;
mod unencrypted;

use crate::error::UrlError;

pub(crate) use environment::Environment;
pub(crate) use parameters::not_one_of;
pub(crate) use tcp_timeouts::TcpTimeouts;
pub(crate) use types::{Address, ChannelBindingMode, Endpoint, Host, TargetSession};

impl Address {
    /// Parses an address. As in libpq, the environment gives what the address does not say.
    pub(crate) fn parse(text: &str) -> Result<Self, UrlError> {
        Self::parse_in(text, &Environment::of_process())
    }

    pub(crate) fn parse_in(text: &str, environment: &Environment) -> Result<Self, UrlError> {
        let mut given = parameters::parse(text.trim())?;
        parameter_names::check(&given)?;
        service_file::apply(&mut given, environment)?;
        parameter_names::apply_variables(&mut given, environment);
        from_parameters::address(&given, environment)
    }
}
