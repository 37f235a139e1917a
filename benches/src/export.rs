//! Points 1 to 3: a large export beside `psql`, into files and into S3, with one reader and several.
//!
//! Owns the data and the order of measurements: what is compared is measured in turns, so that a
//! machine that is slower for a minute is so for all of it. `rivals` is what `psql` is asked,
//! `same_bytes` proves that it gives the same, `figures` tells what came out.

mod figures;
mod rivals;
mod same_bytes;

use std::fs;

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use exports_domain::{Direction, MessageFilter, TimeRange};

use crate::garage::Garage;
use crate::measured::{Exporter, PROJECT};
use crate::scene::{Database, Scene};
use crate::table::Table;

use figures::{Figures, READERS};

const MESSAGES: u64 = 5_000_000;
const EXPORTED: u64 = 4_000_000;
const ROUNDS: usize = 3;

/// The seed's texts, but none that `psql` would write in another way than the contract: no CR, and
/// nothing that a spreadsheet takes for a formula. Done on the way in, so that the table is as the
/// seed leaves it.
const TAME_TEXTS: &str = "\
    CREATE FUNCTION tame() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
        NEW.last_error := 'error: ' || replace(NEW.last_error, E'\\r', ''); RETURN NEW; END $$; \
    CREATE TRIGGER tame BEFORE INSERT ON messages FOR EACH ROW \
        WHEN (NEW.last_error ~ E'^[-=+@\\t]|\\r') EXECUTE FUNCTION tame()";

pub(crate) async fn run(scene: &mut Scene, table: &mut Table) -> Result<()> {
    let database = scene.database().await?;
    seed(scene, &database).await?;
    let garage = Garage::start().await?;
    let contest = Contest {
        filter: filter(scene, &database).await?,
        files: Exporter::into_files(scene, &database)?,
        s3: Exporter {
            scene,
            database: &database,
            store: garage.store(),
        },
    };
    let mut figures = Figures::default();
    for round in 1..=ROUNDS {
        eprintln!("export: round {round} of {ROUNDS}");
        contest.files_and_rivals(&mut figures).await?;
        contest.readers(&mut figures).await?;
        contest.s3(&mut figures).await?;
    }
    figures.tell(table);
    table.note("What psql was asked", contest.questions().await?);
    drop(contest);
    scene.drop_database(database).await
}

async fn seed(scene: &Scene, database: &Database) -> Result<()> {
    let messages = scene.scaled(MESSAGES).to_string();
    eprintln!("export: seeding {messages} messages");
    scene.project(database, PROJECT).await?;
    database.sql(TAME_TEXTS).await?;
    let arguments = ["seed", "--project", PROJECT, "--messages", &messages];
    scene.exportctl(database, &arguments).await?;
    database.sql("DROP TRIGGER tame ON messages").await?;
    database.settle().await
}

/// From the first message to the outbound one that makes the number full.
async fn filter(scene: &Scene, database: &Database) -> Result<MessageFilter> {
    let last = scene.scaled(EXPORTED).cast_signed() - 1;
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
        status: None,
        endpoint: None,
    })
}

/// Everybody writes the same messages.
struct Contest<'a> {
    filter: MessageFilter,
    files: Exporter<'a>,
    s3: Exporter<'a>,
}

impl Contest<'_> {
    /// Ours, and what people type today. The first file of ours is held against `psql`'s.
    async fn files_and_rivals(&self, figures: &mut Figures) -> Result<()> {
        let ours = self.files.export(&self.filter, &[]).await?;
        let exported = &ours.exported;
        figures.files.add(&ours);

        let theirs = self.files.scene.folder().join("theirs.csv");
        let file = theirs.to_str().context("a folder whose name is no text")?;
        let same_fields = rivals::copy(&rivals::same_fields(PROJECT, &self.filter), file);
        figures.same_fields.add(self.psql(&[&same_fields]).await?);
        if figures.sha256.is_empty() {
            let file = self.files.store.file(&exported.object_key)?;
            // The header is a record too.
            let records = exported.rows.cast_unsigned() + 1;
            figures.sha256 = same_bytes::assert_same(&file, &theirs, records)?;
            figures.exported = Some(exported.clone());
        }
        self.files.store.remove(&exported.object_key)?;

        let plain_columns = rivals::copy(&rivals::plain_columns(PROJECT, &self.filter), file);
        figures
            .plain_columns
            .add(self.psql(&[&plain_columns]).await?);
        fs::remove_file(&theirs)?;

        let [jit, copy] = rivals::binary_copy(&PROJECT.parse()?, &self.filter);
        figures.binary.add(self.psql(&[&jit, &copy]).await?);
        Ok(())
    }

    /// In the same round as binary COPY thrown away, which one reader is held against.
    async fn readers(&self, figures: &mut Figures) -> Result<()> {
        for (readers, repeated) in READERS.iter().zip(&mut figures.readers) {
            let setting = [("EXPORTS_READERS", *readers)];
            let measured = self.files.export(&self.filter, &setting).await?;
            self.files.store.remove(&measured.exported.object_key)?;
            figures::assert_equal(figures.exported.as_ref(), &measured.exported)?;
            repeated.add(&measured);
        }
        Ok(())
    }

    async fn s3(&self, figures: &mut Figures) -> Result<()> {
        let signed = [("AWS_UNSIGNED_PAYLOAD", "false")];
        for (settings, repeated) in [
            (&[][..], &mut figures.s3),
            (&signed, &mut figures.s3_signed),
        ] {
            let measured = self.s3.export(&self.filter, settings).await?;
            figures::assert_equal(figures.exported.as_ref(), &measured.exported)?;
            repeated.add(&measured);
        }
        Ok(())
    }

    /// How many seconds `psql` takes for these commands, whose output nobody reads.
    async fn psql(&self, commands: &[&str]) -> Result<f64> {
        let mut arguments = vec!["-o", "/dev/null"];
        for command in commands {
            arguments.extend(["-c", *command]);
        }
        let time = self.files.scene.psql(self.files.database, &arguments);
        Ok(time.await?.as_secs_f64())
    }

    async fn questions(&self) -> Result<String> {
        let same_fields = rivals::same_fields(PROJECT, &self.filter);
        let plan = self.files.database.explain(&same_fields).await?;
        let plain_columns = rivals::plain_columns(PROJECT, &self.filter);
        let [_, binary] = rivals::binary_copy(&PROJECT.parse()?, &self.filter);
        Ok(format!(
            "The same fields, and their plan:\n\n```sql\n{same_fields}\n```\n\n{plan}\n\
             The plain columns:\n\n```sql\n{plain_columns}\n```\n\n\
             Binary COPY, the worker's own statement for one reader:\n\n```sql\n{binary}\n```\n"
        ))
    }
}
