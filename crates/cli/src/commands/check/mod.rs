//! `exportctl check`: tests an installation and prints one line per check.
//!
//! A failure skips only the checks that depend on it. No secret is printed: variables by name only,
//! and no signed links.

mod clock;
mod configuration;
mod database;
mod index;
mod protection;
mod report;
mod source;
mod store;
mod values;

use clap::Args;
use exports_database::Database;
use exports_postgres::PoolPurpose;
use exports_service::settings::{
    ApiSettings, DatabaseSettings, ExposeSecret, LogSettings, SourceRowSecurity, StartSettings,
    StoreSettings, WorkerSettings,
};
use exports_source::RowSecurity;
use exports_source::Source;

use self::report::{Finding, Report};
use crate::error::{Context, Error, Result};

/// Checks the configuration, the databases and the object store, as the services use them
#[derive(Debug, Args)]
pub(super) struct Check {
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
        let mut report = Report::default();
        report.add("configuration", &configuration::variables())?;
        if let Some(ignored) = configuration::ignored(&self.store.url) {
            report.add("configuration", &ignored)?;
        }
        let url = self.database.database_url.expose_secret();
        let database = Database::new(url, PoolPurpose::Command).context("DATABASE_URL")?;
        let is_ready = database::check(&mut report, &database).await?;
        let unencrypted = database.unencrypted_servers();
        protection::database(&mut report, "database TLS", "DATABASE_URL", &unencrypted)?;
        self.check_source(&mut report, &database, is_ready).await?;
        protection::http(&mut report, &self.store, &self.api)?;
        store::check(&mut report, &self.store, self.api.signing_key.is_some()).await?;
        match report.failures {
            0 => Ok(()),
            1 => Err(Error::new("1 check failed")),
            count => Err(Error::new(format!("{count} checks failed"))),
        }
    }

    async fn check_source(
        &self,
        report: &mut Report,
        database: &Database,
        database_is_ready: bool,
    ) -> Result<()> {
        let source = match &self.database.source_database_url {
            None if !database_is_ready => {
                let finding = Finding::skip("the source is in the database, which is not ready");
                return report.add("source", &finding);
            }
            None => Source::same_as(database),
            Some(url) => Source::at(url.expose_secret(), database, PoolPurpose::Command)
                .context("EXPORTS_SOURCE_DATABASE_URL")?,
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
        source::check(report, &source, is_separate).await
    }
}
