//! The messages of `exportctl admin seed`, which look like those of a platform, and the part of them that is exported.

use anyhow::Result;
use chrono::{DateTime, Utc};
use exports_domain::{Choice, Direction, MessageFilter, TimeRange};

use crate::fixture::{Database, Fixture};
use crate::measured::PROJECT;

const MESSAGES: u64 = 5_000_000;
const EXPORTED: u64 = 4_000_000;

/// Changes the seed's texts that `psql` writes differently from the contract: those with CR, and those that a spreadsheet treats as
/// a formula. A trigger does it during the insert, so that the table has no dead rows.
const TAME_TEXTS: &str = "\
    CREATE FUNCTION tame() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
        NEW.last_error := 'error: ' || replace(NEW.last_error, E'\\r', ''); RETURN NEW; END $$; \
    CREATE TRIGGER tame BEFORE INSERT ON messages FOR EACH ROW \
        WHEN (NEW.last_error ~ E'^[-=+@\\t]|\\r') EXECUTE FUNCTION tame()";

/// Inserts them into an empty database.
pub(crate) async fn seed(fixture: &Fixture, database: &Database) -> Result<()> {
    let messages = fixture.scaled(MESSAGES).to_string();
    eprintln!("seeding {messages} messages");
    fixture.project(database, PROJECT).await?;
    database.sql(TAME_TEXTS).await?;
    let arguments = ["seed", "--project", PROJECT, "--messages", &messages];
    fixture.exportctl_admin(database, &arguments).await?;
    database.sql("DROP TRIGGER tame ON messages").await?;
    database.settle().await
}

/// From the first message to the last outbound one of the wanted number.
pub(crate) async fn filter(fixture: &Fixture, database: &Database) -> Result<MessageFilter> {
    let last = fixture.scaled(EXPORTED).cast_signed() - 1;
    let times: (DateTime<Utc>, DateTime<Utc>) = sqlx::query_as(
        "SELECT (SELECT min(created_at) FROM messages), \
         (SELECT created_at FROM messages WHERE project_id = $1 AND direction = 'outbound' \
          ORDER BY created_at, id OFFSET $2 LIMIT 1)",
    )
    .bind(PROJECT)
    .bind(last)
    .fetch_one(database.pool())
    .await?;
    Ok(MessageFilter {
        range: TimeRange::new(times.0, times.1)?,
        direction: Direction::Outbound,
        status: Choice::Any,
        endpoint: Choice::Any,
    })
}
