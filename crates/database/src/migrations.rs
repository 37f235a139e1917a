//! Applies the migrations and compares a database's schema with this version.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use sqlx::migrate::Migrator;

use crate::database::Database;
use crate::error::Error;
use exports_postgres::PooledConnection;

static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrations = sqlx::migrate!("../../migrations");
    // Migrations of a later version are compatible with this version.
    migrations.set_ignore_missing(true);
    migrations
});

/// The schema of a database compared with the schema of this version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MigrationState {
    /// All migrations are applied. Migrations of a later version may be applied too.
    #[error("the database's schema is up to date")]
    Current,
    /// Some migrations are missing.
    #[error("the database {}: run 'exportctl admin migrate'", lacking(*missing, *known))]
    Behind {
        /// How many are missing.
        missing: usize,
        /// How many this version has.
        known: usize,
    },
    /// A migration has another checksum than in this version, or did not finish.
    #[error(
        "migration {version} in the database has another checksum or did not finish: is this the database of another program?"
    )]
    Foreign {
        /// The migration's number.
        version: i64,
    },
}

fn lacking(missing: usize, known: usize) -> String {
    if missing == known {
        format!("has none of {known} migrations")
    } else {
        format!("lacks {missing} of {known} migrations")
    }
}

impl Database {
    /// Applies the missing migrations one by one, under a lock. Returns how many.
    pub async fn migrate(&self) -> Result<usize, MigrateError> {
        let before = self.applied().await?.len();
        let mut connection = self.fresh_connection().await.map_err(Error::from)?;
        // A migration, or the wait for a concurrent one, may take any time.
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

/// Applied migrations: number to checksum and success.
type Applied = BTreeMap<i64, (Vec<u8>, bool)>;

async fn applied(connection: &mut PooledConnection) -> Result<Applied, Error> {
    let exists =
        sqlx::query_scalar!(r#"SELECT to_regclass('_sqlx_migrations') IS NOT NULL AS "exists!""#)
            .fetch_one(&mut *connection)
            .await?;
    if !exists {
        return Ok(BTreeMap::new());
    }
    // Not checked at compile time: the table belongs to sqlx.
    let rows: Vec<(i64, Vec<u8>, bool)> =
        sqlx::query_as("SELECT version, checksum, success FROM _sqlx_migrations")
            .fetch_all(connection)
            .await?;
    Ok(rows
        .into_iter()
        .map(|(version, checksum, success)| (version, (checksum, success)))
        .collect())
}

/// Why migrating failed.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// A statement failed.
    #[error(transparent)]
    Database(#[from] Error),
    /// A migration failed.
    #[error("a migration failed")]
    Migration(#[from] sqlx::migrate::MigrateError),
}
