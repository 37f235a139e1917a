//! The standard variables of OpenTelemetry: which collector gets which traces.
//!
//! The exporter itself reads `OTEL_EXPORTER_OTLP_HEADERS`, the SDK `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`, the limits of a
//! span and the sizes of the queue (`OTEL_BSP_…`).

use std::time::Duration;

use opentelemetry_sdk::trace::Sampler;
use url::Url;

use crate::start::StartError;

/// The default of the specification.
const TIMEOUT: Duration = Duration::from_secs(10);

const SAMPLERS: &str = "must be one of always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off, \
                        parentbased_traceidratio";

/// The settings of a tracer that is on.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) endpoint: Endpoint,
    pub(super) sampler: Sampler,
    /// For one request to the collector.
    pub(super) timeout: Duration,
    pub(super) has_service_name: bool,
}

/// The address of the collector.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// The variable that names it.
    pub(super) variable: &'static str,
    pub(super) url: String,
}

impl Settings {
    /// `None` if traces are off.
    pub(super) fn read(
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, StartError> {
        let environment = Environment(variable);
        let is_disabled = environment
            .get("OTEL_SDK_DISABLED")
            .is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let exporter = environment.get("OTEL_TRACES_EXPORTER");
        if is_disabled || exporter.as_deref() == Some("none") {
            return Ok(None);
        }
        let Some(endpoint) = environment.endpoint()? else {
            return Ok(None);
        };
        if exporter.is_some_and(|exporter| exporter != "otlp") {
            return Err(StartError::new(
                "OTEL_TRACES_EXPORTER",
                "must be otlp or none",
            ));
        }
        if let Some((name, protocol)) = environment.of_traces("PROTOCOL")
            && protocol != "http/protobuf"
        {
            let reason =
                format!("must be http/protobuf, not {protocol:?}: traces are sent over HTTP only");
            return Err(StartError::new(name, &reason));
        }
        Ok(Some(Self {
            endpoint,
            sampler: environment.sampler()?,
            timeout: environment.timeout()?,
            has_service_name: environment.has_service_name(),
        }))
    }
}

struct Environment<'a>(&'a dyn Fn(&str) -> Option<String>);

impl Environment<'_> {
    /// A value without whitespace around it. An empty value is the same as none.
    fn get(&self, name: &str) -> Option<String> {
        let value = (self.0)(name)?;
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// A setting of OTLP. The variable for traces comes before the variable for everything.
    fn of_traces(&self, setting: &str) -> Option<(&'static str, String)> {
        let names = match setting {
            "ENDPOINT" => [
                "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
                "OTEL_EXPORTER_OTLP_ENDPOINT",
            ],
            "PROTOCOL" => [
                "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
                "OTEL_EXPORTER_OTLP_PROTOCOL",
            ],
            _ => [
                "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
                "OTEL_EXPORTER_OTLP_TIMEOUT",
            ],
        };
        names
            .into_iter()
            .find_map(|name| Some((name, self.get(name)?)))
    }

    /// The variable for traces has the whole URL; the other one has the part before `/v1/traces`.
    fn endpoint(&self) -> Result<Option<Endpoint>, StartError> {
        let Some((variable, text)) = self.of_traces("ENDPOINT") else {
            return Ok(None);
        };
        let is_http = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
        if !Url::parse(&text).is_ok_and(|url| is_http(&url)) {
            let reason = "must be the URL of a collector such as http://collector:4318";
            return Err(StartError::new(variable, reason));
        }
        let url = if variable == "OTEL_EXPORTER_OTLP_ENDPOINT" {
            format!("{}/v1/traces", text.trim_end_matches('/'))
        } else {
            text
        };
        Ok(Some(Endpoint { variable, url }))
    }

    /// The default records every trace, except those that a client does not record.
    fn sampler(&self) -> Result<Sampler, StartError> {
        let name = self.get("OTEL_TRACES_SAMPLER");
        let name = name.as_deref().unwrap_or("parentbased_always_on");
        let (is_parent_based, root) = match name.strip_prefix("parentbased_") {
            Some(root) => (true, root),
            None => (false, name),
        };
        let root = match root {
            "always_on" => Sampler::AlwaysOn,
            "always_off" => Sampler::AlwaysOff,
            "traceidratio" => Sampler::TraceIdRatioBased(self.ratio()?),
            _ => return Err(StartError::new("OTEL_TRACES_SAMPLER", SAMPLERS)),
        };
        Ok(if is_parent_based {
            Sampler::ParentBased(Box::new(root))
        } else {
            root
        })
    }

    fn ratio(&self) -> Result<f64, StartError> {
        const VARIABLE: &str = "OTEL_TRACES_SAMPLER_ARG";
        let Some(text) = self.get(VARIABLE) else {
            return Ok(1.0);
        };
        let ratio = text.parse().ok();
        let ratio = ratio.filter(|ratio| (0.0..=1.0).contains(ratio));
        ratio.ok_or_else(|| StartError::new(VARIABLE, "must be a number from 0 to 1"))
    }

    fn timeout(&self) -> Result<Duration, StartError> {
        let Some((variable, text)) = self.of_traces("TIMEOUT") else {
            return Ok(TIMEOUT);
        };
        let milliseconds = text.parse().ok().filter(|value| *value > 0);
        let milliseconds = milliseconds
            .ok_or_else(|| StartError::new(variable, "must be a number of milliseconds above 0"))?;
        Ok(Duration::from_millis(milliseconds))
    }

    fn has_service_name(&self) -> bool {
        let attributes = self.get("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
        let mut names = attributes.split(',').filter_map(|it| it.split_once('='));
        self.get("OTEL_SERVICE_NAME").is_some()
            || names.any(|(name, _)| name.trim() == "service.name")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Option<Settings>, String> {
        let get = |name: &str| {
            let found = variables.iter().find(|(given, _)| *given == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Settings::read(&get).map_err(|error| error.to_string())
    }

    const COLLECTOR: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", " http://collector:4318/\n");
    const TRACES: (&str, &str) = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://c/traces");

    #[test]
    fn traces_are_off_unless_there_is_a_collector() {
        for variables in [
            &[][..],
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", "")],
            &[COLLECTOR, ("OTEL_SDK_DISABLED", "True")],
            &[COLLECTOR, ("OTEL_TRACES_EXPORTER", "none")],
            // Of another program in the same environment.
            &[
                ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
                ("OTEL_TRACES_SAMPLER", "xray"),
            ],
        ] {
            assert!(read(variables).unwrap().is_none(), "{variables:?}");
        }
    }

    #[test]
    fn the_variable_for_traces_has_the_whole_url() {
        let url = |variables| read(variables).unwrap().unwrap().endpoint.url;
        assert_eq!(url(&[COLLECTOR]), "http://collector:4318/v1/traces");
        assert_eq!(url(&[COLLECTOR, TRACES]), "https://c/traces");
        let settings = read(&[COLLECTOR]).unwrap().unwrap();
        assert_eq!(settings.timeout, Duration::from_secs(10));
        assert!(!settings.has_service_name);
        let named = ("OTEL_RESOURCE_ATTRIBUTES", "a=b, service.name=x");
        assert!(read(&[COLLECTOR, named]).unwrap().unwrap().has_service_name);
    }

    #[test]
    fn every_standard_sampler_is_known() {
        for (name, argument, expected) in [
            ("always_on", "", "AlwaysOn"),
            ("always_off", "", "AlwaysOff"),
            ("traceidratio", "0.25", "TraceIdRatioBased(0.25)"),
            ("parentbased_always_on", "", "ParentBased(AlwaysOn)"),
            ("parentbased_always_off", "", "ParentBased(AlwaysOff)"),
            (
                "parentbased_traceidratio",
                "",
                "ParentBased(TraceIdRatioBased(1.0))",
            ),
            ("", "", "ParentBased(AlwaysOn)"),
        ] {
            let variables = [
                COLLECTOR,
                ("OTEL_TRACES_SAMPLER", name),
                ("OTEL_TRACES_SAMPLER_ARG", argument),
            ];
            let settings = read(&variables).unwrap().unwrap();
            assert_eq!(format!("{:?}", settings.sampler), expected, "{name}");
        }
    }

    #[test]
    fn an_error_names_the_variable() {
        for (name, value, rule) in [
            (
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                "collector:4318",
                "must be the URL of",
            ),
            (
                "OTEL_EXPORTER_OTLP_PROTOCOL",
                "grpc",
                "must be http/protobuf, not",
            ),
            (
                "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
                "http/json",
                "must be http",
            ),
            ("OTEL_TRACES_EXPORTER", "zipkin", "must be otlp or none"),
            ("OTEL_TRACES_SAMPLER", "xray", "must be one of always_on"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "must be a number of"),
            (
                "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
                "0",
                "must be a number of",
            ),
        ] {
            let line = read(&[(name, value), COLLECTOR]).unwrap_err();
            assert!(line.starts_with(&format!("{name} {rule}")), "{line}");
        }
        for ratio in ["1.1", "-0.1", "NaN", "half"] {
            let sampler = ("OTEL_TRACES_SAMPLER", "traceidratio");
            let line = read(&[COLLECTOR, sampler, ("OTEL_TRACES_SAMPLER_ARG", ratio)]).unwrap_err();
            assert_eq!(line, "OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1");
        }
    }
}
