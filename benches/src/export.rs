//! Points 1 to 3: a large export beside `psql`, into files and into S3, with one reader and several.
//!
//! Owns the order of measurements: everything that is compared is measured in turns, so that a machine that
//! is slower for a minute is so for all of it.

mod rivals;
mod same_bytes;

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, Utc};
use exports_domain::{Direction, MessageFilter, TimeRange};

use crate::garage::Garage;
use crate::measured::{self, Measured, Repeated};
use crate::samples::Samples;
use crate::scene::{Database, Scene, Store, mebibytes};
use crate::table::{Bar, Row, Table};

const PROJECT: &str = "proj_bench";
const MESSAGES: u64 = 5_000_000;
const EXPORTED: u64 = 4_000_000;
const ROUNDS: usize = 3;
const READERS: [&str; 3] = ["1", "2", "4"];

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
    let setting = Setting {
        filter: filter(scene, &database).await?,
        files: scene.file_store()?,
        garage: Garage::start().await?,
        has_readers: scene.worker_has_readers().await?,
        scene,
        database: &database,
    };
    let mut figures = Figures::default();
    for round in 1..=ROUNDS {
        eprintln!("export: round {round} of {ROUNDS}");
        setting.round(&mut figures).await?;
    }
    figures.tell(table);
    setting.explain(table).await?;
    drop(setting);
    scene.drop_database(database).await
}

/// What every measurement needs.
struct Setting<'a> {
    scene: &'a Scene,
    database: &'a Database,
    filter: MessageFilter,
    files: Store,
    garage: Garage,
    has_readers: bool,
}

#[derive(Debug, Default)]
struct Figures {
    rows: i64,
    bytes: i64,
    sha256: String,
    files: Repeated,
    s3: Repeated,
    readers: [Repeated; READERS.len()],
    same_fields: Samples,
    plain_columns: Samples,
    binary: Samples,
}

async fn seed(scene: &Scene, database: &Database) -> Result<()> {
    let messages = scene.scaled(MESSAGES).to_string();
    eprintln!("export: seeding {messages} messages");
    let arguments = ["project", "create", PROJECT];
    scene.exportctl(database, &arguments).await?;
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

impl Setting<'_> {
    /// Everything once.
    async fn round(&self, figures: &mut Figures) -> Result<()> {
        let ours = self.export(&self.files, &[]).await?;
        figures.files.add(&ours);

        let theirs = self.scene.folder().join("theirs.csv");
        let file = theirs.to_str().context("a folder of another alphabet")?;
        let query = rivals::same_fields(PROJECT, &self.filter);
        let command = rivals::copy(&query, file);
        let time = self.scene.psql(self.database, &["-c", &command]).await?;
        figures.same_fields.add_time(time);
        figures.check(&ours, &self.files, &theirs)?;
        self.files.remove(&ours.exported.object_key)?;

        let query = rivals::plain_columns(PROJECT, &self.filter);
        let command = rivals::copy(&query, file);
        let time = self.scene.psql(self.database, &["-c", &command]).await?;
        figures.plain_columns.add_time(time);
        std::fs::remove_file(&theirs)?;

        let [jit, project, copy] = rivals::binary_copy(PROJECT, &self.filter);
        let commands = ["-o", "/dev/null", "-c", &jit, "-c", &project, "-c", &copy];
        let time = self.scene.psql(self.database, &commands).await?;
        figures.binary.add_time(time);

        for (readers, figures) in READERS.iter().zip(&mut figures.readers) {
            let setting = [("EXPORTS_READERS", *readers)];
            let setting = if self.has_readers { &setting[..] } else { &[] };
            if !self.has_readers && *readers != "1" {
                break;
            }
            let measured = self.export(&self.files, setting).await?;
            self.files.remove(&measured.exported.object_key)?;
            figures.add(&measured);
        }

        let remote = self.export(&self.garage.store(), &[]).await?;
        ensure!(
            remote.exported.sha256 == ours.exported.sha256,
            "S3 has another file"
        );
        figures.s3.add(&remote);
        Ok(())
    }

    async fn export(&self, store: &Store, settings: &[(&str, &str)]) -> Result<Measured> {
        measured::export(
            self.scene,
            self.database,
            store,
            settings,
            PROJECT,
            &self.filter,
        )
        .await
    }

    async fn explain(&self, table: &mut Table) -> Result<()> {
        let query = rivals::same_fields(PROJECT, &self.filter);
        let mut text = String::from("The query of the same fields, and its plan:\n\n```sql\n");
        text.push_str(&query);
        text.push_str("\n```\n\n");
        text.push_str(&self.database.explain(&query).await?);
        text.push_str("\nThe plain columns:\n\n```sql\n");
        text.push_str(&rivals::plain_columns(PROJECT, &self.filter));
        text.push_str("\n```\n");
        table.note("What psql was asked", text);
        Ok(())
    }
}

impl Figures {
    /// The first file of ours is held against psql's, every other against the first.
    fn check(&mut self, ours: &Measured, files: &Store, theirs: &std::path::Path) -> Result<()> {
        let exported = &ours.exported;
        if self.rows == 0 {
            // The header is a record too.
            let records = exported.rows.cast_unsigned() + 1;
            let file = files.file(&exported.object_key)?;
            self.sha256 = same_bytes::assert_same(&file, theirs, records)?;
            (self.rows, self.bytes) = (exported.rows, exported.bytes);
        }
        ensure!(
            self.rows == exported.rows && self.bytes == exported.bytes,
            "files differ"
        );
        Ok(())
    }

    fn tell(&self, table: &mut Table) {
        let size = mebibytes(self.bytes.cast_unsigned());
        let what = format!("{} rows, {size:.0} MiB, file store", self.rows);
        let ours = self.files.seconds.median();
        for (rival, samples, bar) in [
            ("`\\copy` of the same fields", &self.same_fields, 0.30),
            ("`\\copy` of the plain columns", &self.plain_columns, 0.60),
        ] {
            table.add(Row::new(1, &what, self.files.shown()).against(
                format!("{rival}: {}", samples.seconds()),
                ours / samples.median(),
                Bar::AtMost(bar),
            ));
        }
        let s3 = self.s3.seconds.median();
        let rival = format!(
            "`\\copy` of the same fields: {}",
            self.same_fields.seconds()
        );
        let row = Row::new(2, "the same into Garage", self.s3.shown());
        table.add(row.against(rival, s3 / self.same_fields.median(), Bar::AtMost(0.45)));
        self.tell_readers(table);
        table.note("The data of points 1 to 3", self.data());
    }

    fn tell_readers(&self, table: &mut Table) {
        let [one, more @ ..] = &self.readers;
        let rate = self.binary.median() / one.seconds.median();
        let rival = format!(
            "binary COPY thrown away, its rate: {}",
            self.binary.seconds()
        );
        let row = Row::new(3, "`EXPORTS_READERS=1`, rate", one.shown());
        table.add(row.against(rival, rate, Bar::AtLeast(0.85)));
        for (readers, figures) in READERS[1..].iter().zip(more) {
            let ratio = figures.seconds.median() / one.seconds.median();
            let row = Row::new(
                3,
                format!("`EXPORTS_READERS={readers}`, time"),
                figures.shown(),
            );
            table.add(row.against("one reader", ratio, Bar::Told));
        }
    }

    fn data(&self) -> String {
        format!(
            "`exportctl seed`, {} rows of which are exported, then `VACUUM (ANALYZE)` as autovacuum would run it, \
             and `CHECKPOINT`. On the way in, texts that `psql` writes in another way than the contract were tamed: \
             CR was taken out and what starts like a formula got `error: ` before it. The service's file with CRLF \
             turned into LF is `psql`'s file of the same fields, byte for byte: SHA-256 `{}`. Times are medians of \
             {ROUNDS} rounds, in brackets the least and the largest; in each round everything was measured in turn. The server \
             runs with `fsync = off`, as all of `make test`'s; the worker's file is synced to the disk, psql's is not. \
             `psql` sessions have the server's defaults, binary COPY the worker's `jit = off`. Garage stores \
             uncompressed, on the same disk. CPU is user and system time, all of PostgreSQL's processes together.",
            self.rows, self.sha256
        )
    }
}
