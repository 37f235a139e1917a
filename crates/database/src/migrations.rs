//! The schema: bringing a database up to it, and telling whether one is.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use sqlx::migrate::Migrator;

use crate::database::Database;
use crate::error::Error;
use exports_postgres::PooledConnection;

static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrations = sqlx::migrate!("../../migrations");
    // What a later version has added is compatible with this one: nothing to do, and no error.
    migrations.set_ignore_missing(true);
    migrations
});

/// Whether a database has the schema of this version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MigrationState {
    /// It has. It may have later migrations too: they are compatible with the version before.
    #[error("the database's schema is up to date")]
    Current,
    /// It lacks some.
    #[error("the database lacks {missing} of {known} migrations: run 'exportctl migrate'")]
    Behind {
        /// How many it lacks.
        missing: usize,
        /// How many there are.
        known: usize,
    },
    /// One of its migrations is another than ours of the same number, or was not finished.
    #[error(
        "migration {version} in the database is not this version's: is it another program's database?"
    )]
    Foreign {
        /// Its number.
        version: i64,
    },
}

impl Database {
    /// Applies the migrations that are missing, one at a time, under a lock of the database.
    /// Gives how many there were.
    pub async fn migrate(&self) -> Result<usize, MigrateError> {
        let before = self.applied().await?.len();
        let mut connection = self.fresh_connection().await.map_err(Error::from)?;
        // A migration takes as long as it takes, and so does waiting for another's.
        sqlx::raw_sql("SET statement_timeout = 0")
            .execute(&mut connection)
            .await
            .map_err(Error::from)?;
        MIGRATIONS.run(&mut connection).await?;
        Ok(self.applied().await?.len() - before)
    }

    /// Compares the database's schema with this version's.
    pub async fn migration_state(&self) -> Result<MigrationState, Error> {
        let applied = self.applied().await?;
        let mut missing = 0;
        for migration in MIGRATIONS.iter() {
            match applied.get(&migration.version) {
                None => missing += 1,
                Some((checksum, true)) if *checksum == *migration.checksum => {}
                Some(_) => {
                    return Ok(MigrationState::Foreign {
                        version: migration.version,
                    });
                }
            }
        }
        Ok(match missing {
            0 => MigrationState::Current,
            _ => MigrationState::Behind {
                missing,
                known: MIGRATIONS.iter().count(),
            },
        })
    }

    async fn applied(&self) -> Result<Applied, Error> {
        self.repeatable(&(), |connection, ()| Box::pin(applied(connection)))
            .await
    }
}

/// Checksum and success of every migration that was applied, by number.
type Applied = BTreeMap<i64, (Vec<u8>, bool)>;

async fn applied(connection: &mut PooledConnection) -> Result<Applied, Error> {
    let exists =
        sqlx::query_scalar!(r#"SELECT to_regclass('_sqlx_migrations') IS NOT NULL AS "exists!""#)
            .fetch_one(&mut *connection)
            .await?;
    if !exists {
        return Ok(BTreeMap::new());
    }
    // Not checked at compile time: the table is sqlx's own.
    let rows: Vec<(i64, Vec<u8>, bool)> =
        sqlx::query_as("SELECT version, checksum, success FROM _sqlx_migrations")
            .fetch_all(connection)
            .await?;
    Ok(rows
        .into_iter()
        .map(|(version, checksum, success)| (version, (checksum, success)))
        .collect())
}

/// The schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The database did not answer as it should.
    #[error(transparent)]
    Database(#[from] Error),
    /// A migration failed.
    #[error("a migration failed")]
    Migration(#[from] sqlx::migrate::MigrateError),
}
