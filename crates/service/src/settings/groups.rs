//! The table of variables: name, description, default and parser of each.

use std::net::SocketAddr;
use std::time::Duration;

use clap::builder::{EnumValueParser, StringValueParser};
use clap::{Args, Command, ValueEnum};
use exports_domain::{Count, Limit};
use exports_objects::{MAX_UPLOAD_MEMORY, MIN_UPLOAD_MEMORY};
use secrecy::SecretString;
use url::Url;

use crate::settings::byte_size::{ByteSize, byte_size};
use crate::settings::duration::parse_duration;
use crate::settings::limits::{self, LimitSettings};
use crate::settings::networks::Networks;
use crate::settings::number::number;
use crate::settings::origins::CorsOrigins;
use crate::settings::trimmed::trimmed;
use crate::settings::values::{
    parse_address, parse_database_url, parse_pem, parse_proxy_url, parse_public_url, parse_secret,
    parse_signing_key, parse_text,
};

/// The databases.
#[derive(Debug, Clone, Args)]
pub struct DatabaseSettings {
    /// PostgreSQL with the exports, as a URL: `postgres://user:password@host/database`
    ///
    /// It may have every parameter that psql accepts.
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true, value_parser = trimmed(parse_database_url))]
    pub database_url: SecretString,
    /// Another database, or a replica, to read messages and endpoints from
    #[arg(long, env = "EXPORTS_SOURCE_DATABASE_URL", value_name = "URL", hide_env_values = true, value_parser = trimmed(parse_database_url))]
    pub source_database_url: Option<SecretString>,
    /// Row-level security of the source: `refuse` to export if it hides rows, or `apply` it
    ///
    /// `refuse`: rows that row-level security hides from the worker's role are an error. `apply`: these rows are
    /// left out on purpose.
    #[arg(long, env = "EXPORTS_SOURCE_ROW_SECURITY", value_name = "refuse|apply", default_value = "refuse", value_parser = trimmed(EnumValueParser::<SourceRowSecurity>::new()))]
    pub source_row_security: SourceRowSecurity,
}

/// How row-level security of the source affects exports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SourceRowSecurity {
    /// Hidden rows are an error
    Refuse,
    /// Hidden rows are left out on purpose
    Apply,
}

/// The object store.
#[derive(Debug, Clone, Args)]
pub struct StoreSettings {
    /// Where files go: `file:///path`, `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`
    ///
    /// The usual variables of the clouds apply: `AWS_REGION`, `AWS_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID`,
    /// `AWS_SECRET_ACCESS_KEY`, `AWS_ALLOW_HTTP`, `GOOGLE_…`, `AZURE_…`.
    #[arg(id = "object_store_url", long = "object-store-url", env = "EXPORTS_OBJECT_STORE_URL", value_name = "URL", value_parser = trimmed(StringValueParser::new()))]
    pub url: String,
    /// The address of the store as consumers see it; links are signed for it
    #[arg(id = "object_store_public_endpoint", long = "object-store-public-endpoint", env = "EXPORTS_OBJECT_STORE_PUBLIC_ENDPOINT", value_name = "URL", value_parser = trimmed(StringValueParser::new()))]
    pub public_endpoint: Option<String>,
}

/// The API.
#[derive(Debug, Clone, Args)]
pub struct ApiSettings {
    /// The address that the API listens on
    #[arg(long, env = "EXPORTS_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:8080", value_parser = trimmed(parse_address))]
    pub listen: SocketAddr,
    /// How many connections may be open at a time; more wait
    ///
    /// The limit is for each API process. Those that wait are in the backlog of the operating system.
    #[arg(long, env = "EXPORTS_MAX_CONNECTIONS", value_name = "COUNT", default_value_t = 2048, value_parser = trimmed(number(1_u32..=1_000_000)))]
    pub max_connections: u32,
    /// Waiting and event-stream requests of a project at a time per API process: a number, or `off`
    #[arg(long, env = "EXPORTS_MAX_STREAMS_PER_PROJECT", value_name = "COUNT", default_value = "100", value_parser = trimmed(limits::parse::<Limit<Count>>))]
    pub max_streams_per_project: Limit<Count>,
    /// A file with the certificate chain (PEM), to serve HTTPS; with the key
    ///
    /// The API then serves HTTPS on its own port. Set both or none. The files are read again when they change.
    #[arg(long, env = "EXPORTS_TLS_CERT", value_name = "FILE", value_parser = trimmed(StringValueParser::new()))]
    pub tls_cert: Option<String>,
    /// A file with the private key (PEM) of the certificate
    #[arg(long, env = "EXPORTS_TLS_KEY", value_name = "FILE", value_parser = trimmed(StringValueParser::new()))]
    pub tls_key: Option<String>,
    /// The address of `/metrics`; off unless set
    ///
    /// The address is not for consumers.
    #[arg(long, env = "EXPORTS_METRICS_LISTEN", value_name = "ADDRESS", value_parser = trimmed(parse_address))]
    pub metrics_listen: Option<SocketAddr>,
    /// The address of the API as consumers see it [default: http:// or https://, and the listen address]
    ///
    /// Required if `EXPORTS_LISTEN` is `0.0.0.0` or `[::]` and `EXPORTS_SIGNING_KEY` is set: links to files could
    /// not lead there.
    // A refused value may contain a password.
    #[arg(long, env = "EXPORTS_PUBLIC_URL", value_name = "URL", hide_env_values = true, value_parser = trimmed(parse_public_url))]
    pub public_url: Option<Url>,
    /// The key that signs links to the API's own `/files/{id}`: any text of 32 bytes or more. Required with a
    /// file store, and with other stores for clients that keep Authorization across a redirect
    ///
    /// With a store other than `file://`, clients that keep `Authorization` across a redirect get a link of the
    /// API; without the key they get a link of the store, which may refuse them.
    #[arg(long, env = "EXPORTS_SIGNING_KEY", value_name = "TEXT", hide_env_values = true, value_parser = trimmed(parse_signing_key))]
    pub signing_key: Option<SecretString>,
    /// The signing key from before: links that it has signed are still valid, new ones are not signed with it
    #[arg(long, env = "EXPORTS_SIGNING_KEY_PREVIOUS", value_name = "TEXT", hide_env_values = true, value_parser = trimmed(parse_signing_key))]
    pub signing_key_previous: Option<SecretString>,
    /// The Ed25519 private key, in PEM, that signs the manifests of exports: `openssl genpkey -algorithm ed25519` makes
    /// one; off unless set
    ///
    /// All instances need the same one. Without it, manifests are not signed.
    #[arg(
        long,
        env = "EXPORTS_MANIFEST_KEY",
        value_name = "PEM",
        hide_env_values = true,
        value_parser = parse_pem
    )]
    pub manifest_key: Option<SecretString>,
    /// The proxies in front of the API: networks and addresses, separated by commas. Only from them
    /// X-Forwarded-For or Forwarded says which address a client has
    ///
    /// For example `10.0.0.0/8, 192.0.2.7`; none unless set. A proxy that writes `Forwarded` must remove the
    /// client's `X-Forwarded-For`.
    #[arg(long, env = "EXPORTS_TRUSTED_PROXIES", value_name = "NETWORKS", value_parser = trimmed(str::parse::<Networks>))]
    pub trusted_proxies: Option<Networks>,
    /// The origins of web pages that may use the API from a browser, separated by commas, or `*`; off unless set
    ///
    /// For example `https://app.example.com, http://localhost:3000`.
    // A refused value may contain a password.
    #[arg(long, env = "EXPORTS_CORS_ORIGINS", value_name = "ORIGINS", hide_env_values = true, value_parser = trimmed(str::parse::<CorsOrigins>))]
    pub cors_origins: Option<CorsOrigins>,
    /// Whether the API serves the web page `/console`: `on` or `off`
    #[arg(long, env = "EXPORTS_CONSOLE", value_name = "on|off", default_value = "on", value_parser = trimmed(EnumValueParser::<Switch>::new()))]
    pub console: Switch,
    /// Whether the API serves its reference, the web page /docs: `on` or `off`
    #[arg(long, env = "EXPORTS_DOCS", value_name = "on|off", default_value = "on", value_parser = trimmed(EnumValueParser::<Switch>::new()))]
    pub docs: Switch,
}

/// A part of a service that can be switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// It is there
    On,
    /// It is not
    Off,
}

/// The API, for consumers.
#[derive(Debug, Clone, Args)]
pub struct ConsumerSettings {
    /// The address of the API [default: that of the profile]
    // A refused value may contain a password.
    #[arg(
        long,
        env = "EXPORTS_API_URL",
        value_name = "URL",
        hide_env_values = true,
        value_parser = trimmed(parse_text)
    )]
    pub api_url: Option<String>,
    /// Your API key [default: that of the profile]
    #[arg(
        long,
        env = "EXPORTS_API_KEY",
        value_name = "KEY",
        hide_env_values = true,
        value_parser = trimmed(parse_secret)
    )]
    pub api_key: Option<SecretString>,
    /// The profile of 'exportctl login'
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub profile: String,
}

/// The worker.
#[derive(Debug, Clone, Args)]
pub struct WorkerSettings {
    /// The address of `/healthz`, `/readyz` and `/metrics`; off unless set
    #[arg(long, env = "EXPORTS_HEALTH_LISTEN", value_name = "ADDRESS", value_parser = trimmed(parse_address))]
    pub health_listen: Option<SocketAddr>,
    /// How long a finished file can be downloaded
    #[arg(long, env = "EXPORTS_FILE_TTL", value_name = "DURATION", default_value = "7d", value_parser = trimmed(parse_duration))]
    pub file_ttl: Duration,
    /// How long the record of a failed or expired export is kept
    ///
    /// Afterwards the export is 404.
    #[arg(long, env = "EXPORTS_RECORD_TTL", value_name = "DURATION", default_value = "90d", value_parser = trimmed(parse_duration))]
    pub record_ttl: Duration,
    /// How long a worker holds an export without a heartbeat
    #[arg(long, env = "EXPORTS_LEASE", value_name = "DURATION", default_value = "30s", value_parser = trimmed(parse_duration))]
    pub lease: Duration,
    /// How many attempts an export has before it fails
    ///
    /// From 1 to 1000.
    #[arg(long, env = "EXPORTS_MAX_ATTEMPTS", value_name = "COUNT", default_value_t = 8, value_parser = trimmed(number(1_u32..=1000)))]
    pub max_attempts: u32,
    /// How long one attempt may take
    ///
    /// If rows flowed most of that time, the export fails with `TIMED_OUT`. If the attempt mostly waited for the
    /// source or the store, it is retried.
    #[arg(long, env = "EXPORTS_MAX_DURATION", value_name = "DURATION", default_value = "6h", value_parser = trimmed(parse_duration))]
    pub max_duration: Duration,
    /// How long the source may send nothing during an export until the worker checks whether it still works
    ///
    /// It asks over another connection.
    #[arg(long, env = "EXPORTS_STALL_TIMEOUT", value_name = "DURATION", default_value = "60s", value_parser = trimmed(parse_duration))]
    pub stall_timeout: Duration,
    /// Exports at a time per worker
    ///
    /// From 1 to 256.
    #[arg(long, env = "EXPORTS_CONCURRENCY", value_name = "COUNT", default_value_t = 2, value_parser = trimmed(number(1_u16..=256)))]
    pub concurrency: u16,
    /// Connections that read one large export [default: the number of cores, at most 4]
    ///
    /// From 1 to 16.
    #[arg(long, env = "EXPORTS_READERS", value_name = "COUNT", value_parser = trimmed(number(1_u16..=16)))]
    pub readers: Option<u16>,
    /// The memory for the parts of one export's file that are sent to the store
    ///
    /// It holds the parts that are being sent, and the one that is filled: `16MiB` to `8GiB`, for each of
    /// `EXPORTS_CONCURRENCY`. More memory is faster over a distant network, and allows larger files. The memory
    /// limit of a worker grows with it.
    #[arg(long, env = "EXPORTS_UPLOAD_MEMORY", value_name = "SIZE", default_value = "64MiB", value_parser = trimmed(byte_size(ByteSize::new(MIN_UPLOAD_MEMORY)..=ByteSize::new(MAX_UPLOAD_MEMORY))))]
    pub upload_memory: ByteSize,
    /// How long exports may continue after SIGTERM before they are released
    #[arg(long, env = "EXPORTS_SHUTDOWN_GRACE", value_name = "DURATION", default_value = "25s", value_parser = trimmed(parse_duration))]
    pub shutdown_grace: Duration,
}

/// The webhooks, in the API and in the worker.
#[derive(Debug, Clone, Args)]
pub struct WebhookSettings {
    /// Networks and addresses, separated by commas, that webhooks may lead to besides public addresses; only
    /// to these also without TLS
    ///
    /// For example `10.20.0.0/16`; none unless set. Set the same value for the API and the workers.
    #[arg(long, env = "EXPORTS_WEBHOOK_ALLOWED_NETWORKS", value_name = "NETWORKS", value_parser = trimmed(str::parse::<Networks>))]
    pub webhook_allowed_networks: Option<Networks>,
}

/// How a worker sends webhooks.
#[derive(Debug, Clone, Args)]
pub struct WebhookSendSettings {
    /// The proxy through which webhooks are sent: http://host:port. It must refuse internal addresses itself
    ///
    /// None unless set. `HTTP_PROXY` and `HTTPS_PROXY` do not apply to webhooks. The proxy resolves the names, so
    /// the worker checks only addresses in URLs.
    // A refused value may contain a password.
    #[arg(long, env = "EXPORTS_WEBHOOK_PROXY", value_name = "URL", hide_env_values = true, value_parser = trimmed(parse_proxy_url))]
    pub webhook_proxy: Option<Url>,
}

/// The start of a service.
#[derive(Debug, Clone, Args)]
pub struct StartSettings {
    /// How long a service waits at its start for the databases and the store
    #[arg(long, env = "EXPORTS_STARTUP_TIMEOUT", value_name = "DURATION", default_value = "5m", value_parser = trimmed(parse_duration))]
    pub startup_timeout: Duration,
}

/// The logs.
#[derive(Debug, Clone, Args)]
pub struct LogSettings {
    /// The format of the log lines on standard error
    ///
    /// `text` or `json`.
    #[arg(long, env = "EXPORTS_LOG_FORMAT", value_name = "FORMAT", default_value = "text", value_parser = trimmed(EnumValueParser::<LogFormat>::new()))]
    pub log_format: LogFormat,
}

/// The format of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// One JSON object per line
    Json,
}

/// All groups with their titles, for the reference of the settings: each is a command whose arguments are the variables.
#[must_use]
pub fn groups() -> Vec<Command> {
    fn group<A: Args>(title: &'static str) -> Command {
        A::augment_args(Command::new(title)).about(title)
    }
    let start = group::<StartSettings>("Start and logs");
    vec![
        group::<DatabaseSettings>("Databases"),
        group::<StoreSettings>("Object store"),
        group::<ApiSettings>("The API"),
        group::<LimitSettings>("Limits of the API's consumers"),
        group::<WorkerSettings>("Workers"),
        WebhookSendSettings::augment_args(group::<WebhookSettings>("Webhooks")).about("Webhooks"),
        LogSettings::augment_args(start).about("Start and logs"),
        group::<ConsumerSettings>("exportctl for consumers"),
    ]
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::settings::names::NAMES;

    #[derive(Debug, Parser)]
    struct Everything {
        #[command(flatten)]
        database: DatabaseSettings,
        #[command(flatten)]
        store: StoreSettings,
        #[command(flatten)]
        api: ApiSettings,
        #[command(flatten)]
        consumer: ConsumerSettings,
        #[command(flatten)]
        limits: LimitSettings,
        #[command(flatten)]
        worker: WorkerSettings,
        #[command(flatten)]
        webhooks: WebhookSettings,
        #[command(flatten)]
        webhook_sending: WebhookSendSettings,
        #[command(flatten)]
        start: StartSettings,
        #[command(flatten)]
        log: LogSettings,
    }

    fn variables(command: &Command) -> Vec<&str> {
        let arguments = command.get_arguments();
        arguments
            .filter_map(|argument| argument.get_env()?.to_str())
            .collect()
    }

    #[test]
    fn the_list_of_names_contains_every_variable() {
        let command = Everything::command();
        let mut names = variables(&command);
        names.retain(|name| name.starts_with("EXPORTS_"));
        names.sort_unstable();
        assert_eq!(names, NAMES);
    }

    #[test]
    fn the_groups_of_the_reference_have_every_variable_once() {
        let command = Everything::command();
        let mut all = variables(&command);
        let groups = groups();
        let mut listed: Vec<_> = groups.iter().flat_map(variables).collect();
        all.sort_unstable();
        listed.sort_unstable();
        assert_eq!(listed, all);
    }

    #[test]
    fn every_variable_rejects_control_characters_without_printing_them() {
        let command = Everything::command();
        for argument in command.get_arguments() {
            if argument.get_env().is_none() {
                continue;
            }
            let flag = argument.get_long().expect("a variable is an option, too");
            let arguments = ["program".into(), format!("--{flag}=a\u{1}b\n").into()];
            let line = crate::settings::try_parse_from::<Everything>(arguments)
                .unwrap_err()
                .to_string();
            let problem = match flag {
                "manifest-key" => " must not contain a control character",
                _ => " must not contain a line break or another control character",
            };
            assert!(line == format!("--{flag}{problem}"), "{line}");
            assert!(!line.contains('\u{1}'), "{line}");
        }
    }
}
