//! The variables of limits. A project can have its own values: `exportctl admin project limits`.

use std::str::FromStr;

use clap::Args;
use exports_domain::{Count, Limit, LimitError, Limits, Rate};

use crate::settings::trimmed::trimmed;

/// The limits of the API's consumers.
#[derive(Debug, Clone, Args)]
pub struct LimitSettings {
    /// Requests of one API key per API process, with a burst of twice as much: `200/s`, or `off`
    #[arg(long, env = "EXPORTS_REQUESTS_PER_KEY", value_name = "RATE", default_value = "200/s", value_parser = trimmed(parse::<Limit<Rate>>))]
    pub requests_per_key: Limit<Rate>,
    /// Creates of a project over all API processes: `60/1m`, or `off`
    #[arg(long, env = "EXPORTS_CREATES_PER_PROJECT", value_name = "RATE", default_value = "off", value_parser = trimmed(parse::<Limit<Rate>>))]
    pub creates_per_project: Limit<Rate>,
    /// Pending and processing exports of a project, or `off`
    #[arg(long, env = "EXPORTS_MAX_ACTIVE_PER_PROJECT", value_name = "COUNT", default_value = "1000", value_parser = trimmed(parse::<Limit<Count>>))]
    pub max_active_per_project: Limit<Count>,
    /// Bytes of a project's completed files that have not expired, or `off`; checked by creates
    #[arg(long, env = "EXPORTS_MAX_STORED_BYTES_PER_PROJECT", value_name = "BYTES", default_value = "off", value_parser = trimmed(parse::<Limit<Count>>))]
    pub max_stored_bytes_per_project: Limit<Count>,
}

impl From<LimitSettings> for Limits {
    fn from(settings: LimitSettings) -> Self {
        Self {
            requests: settings.requests_per_key,
            creates: settings.creates_per_project,
            active: settings.max_active_per_project,
            stored_bytes: settings.max_stored_bytes_per_project,
        }
    }
}

pub(super) fn parse<T: FromStr<Err = LimitError>>(text: &str) -> Result<T, LimitError> {
    text.parse()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        limits: LimitSettings,
    }

    #[test]
    fn the_defaults_are_those_of_the_contract() {
        let program = Program::try_parse_from(["program"]).unwrap();
        let limits = Limits::from(program.limits);
        assert_eq!(limits.requests.to_string(), "200/s");
        assert_eq!(limits.creates, Limit::Off);
        assert_eq!(limits.active.to_string(), "1000");
        assert_eq!(limits.stored_bytes, Limit::Off);
    }

    #[test]
    fn an_invalid_limit_is_refused_with_the_rule() {
        for (argument, rule) in [
            ("--requests-per-key=200", "200/s or 60/1m"),
            ("--creates-per-project=0/1m", "200/s or 60/1m"),
            ("--max-active-per-project=0", "a whole number"),
            ("--max-stored-bytes-per-project=1GB", "a whole number"),
        ] {
            let error = Program::try_parse_from(["program", argument]).unwrap_err();
            assert!(error.to_string().contains(rule), "{error}");
        }
    }
}
