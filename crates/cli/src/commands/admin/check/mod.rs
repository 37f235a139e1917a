//! `exportctl admin check`: tests an installation and prints one line per check.
//!
//! A failure skips only the checks that depend on it. No secret is printed: variables by name only,
//! and no signed links.

mod clock;
mod configuration;
mod database;
mod index;
mod link;
mod protection;
mod report;
mod rights;
mod source;
mod store;
mod values;
mod write;

use clap::Args;
use exports_database::Database;
use exports_postgres::PoolPurpose;
use exports_service::settings::{
    ApiSettings, DatabaseSettings, ExposeSecret, LogSettings, SourceRowSecurity, StartSettings,
    StoreSettings, WorkerSettings,
};
use exports_service::start::in_variable;
use exports_source::RowSecurity;
use exports_source::Source;

use self::database::State;
use self::report::{Finding, Report};
use self::rights::As;
use crate::error::{Error, Result};

/// Checks the configuration, the databases and the object store, as the services use them
#[derive(Debug, Args)]
pub(in crate::commands) struct Check {
    /// Check as this program: the rights of its role, and only what it does in the store
    #[arg(long = "as", value_name = "PROGRAM", value_enum)]
    who: Option<As>,
    /// The role that the program will have, if exportctl connects as another one
    #[arg(long, value_name = "ROLE", requires = "who")]
    role: Option<String>,
    /// Print a JSON object per line: check, verdict (ok, warn, fail or skip) and text
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    store: StoreSettings,
    // Parsed only to report invalid settings of the services.
    #[command(flatten)]
    api: ApiSettings,
    #[command(flatten)]
    _worker: WorkerSettings,
    #[command(flatten)]
    _start: StartSettings,
    #[command(flatten)]
    _log: LogSettings,
}

impl Check {
    pub(super) async fn run(self) -> Result<()> {
        // An error means that one is installed.
        rustls::crypto::ring::default_provider()
            .install_default()
            .ok();
        let mut report = Report::new(self.json);
        report.add("configuration", &configuration::variables())?;
        if let Some(ignored) = configuration::ignored(&self.store.url) {
            report.add("configuration", &ignored)?;
        }
        let url = self.database.database_url.expose_secret();
        let database =
            Database::new(url, PoolPurpose::Command).map_err(in_variable("DATABASE_URL"))?;
        let state = database::check(&mut report, &database).await?;
        let unencrypted = database.unencrypted_servers();
        protection::database(&mut report, "database TLS", "DATABASE_URL", &unencrypted)?;
        self.check_rights(&mut report, &database, state).await?;
        self.check_source(&mut report, &database, state).await?;
        protection::http(&mut report, &self.store, &self.api)?;
        let has_signing_key = self.api.signing_key.is_some();
        store::check(&mut report, &self.store, has_signing_key, self.who).await?;
        match report.failures {
            0 => Ok(()),
            1 => Err(Error::new("1 check failed")),
            count => Err(Error::new(format!("{count} checks failed"))),
        }
    }

    async fn check_rights(
        &self,
        report: &mut Report,
        database: &Database,
        state: State,
    ) -> Result<()> {
        let Some(who) = self.who else {
            return Ok(());
        };
        if state == State::Unavailable {
            let finding = Finding::skip("the database is not available");
            return report.add("rights", &finding);
        }
        let (role, with_source) = (
            self.role.as_deref(),
            self.database.source_database_url.is_none(),
        );
        let is_ready = state == State::Ready;
        let finding = rights::own(database, who, role, with_source, is_ready).await;
        report.add("rights", &finding)
    }

    async fn check_source(
        &self,
        report: &mut Report,
        database: &Database,
        state: State,
    ) -> Result<()> {
        let source = match &self.database.source_database_url {
            None if state == State::Unavailable => {
                let finding =
                    Finding::skip("the source is in the database, which is not available");
                return report.add("source", &finding);
            }
            None => {
                let source = Source::same_as(database);
                if state == State::WithoutSchema && has_no_relations(&source).await {
                    let finding = Finding::skip(
                        "messages and endpoints do not exist yet: create views with these names on the \
                         platform's tables, or let 'exportctl admin migrate' create empty tables",
                    );
                    return report.add("source", &finding);
                }
                source
            }
            Some(url) => Source::at(url.expose_secret(), database, PoolPurpose::Command)
                .map_err(in_variable("EXPORTS_SOURCE_DATABASE_URL"))?,
        };
        let source = source.with_row_security(match self.database.source_row_security {
            SourceRowSecurity::Refuse => RowSecurity::Refuse,
            SourceRowSecurity::Apply => RowSecurity::Apply,
        });
        let is_separate = self.database.source_database_url.is_some();
        if is_separate {
            let unencrypted = source.client().unencrypted_servers();
            let variable = "EXPORTS_SOURCE_DATABASE_URL";
            protection::database(report, "source TLS", variable, &unencrypted)?;
        }
        if let (Some(who), true) = (self.who, is_separate) {
            let finding = rights::of_source(source.client(), who).await;
            report.add("source rights", &finding)?;
        }
        // The API reads only endpoints, so its role cannot run the statements of an export.
        if self.who == Some(As::Api) {
            let finding = Finding::skip("only a worker reads messages: check --as worker too");
            return report.add("source", &finding);
        }
        source::check(report, &source, is_separate).await
    }
}

/// Whether neither of the relations exists; not if that is unknown.
async fn has_no_relations(source: &Source) -> bool {
    for relation in ["endpoints", "messages"] {
        match source.columns(relation).await {
            Ok(columns) if columns.is_empty() => {}
            Ok(_) | Err(_) => return false,
        }
    }
    true
}
