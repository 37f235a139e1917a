//! Points 1 to 3: a large export compared with `psql`, into files and into S3, with one reader and several.
//!
//! The measurements take turns, so that a slow minute of the machine affects all of them. `same_bytes` compares the files,
//! `figures` has the results.

mod figures;
mod same_bytes;

use std::fs;

use anyhow::{Context, Result};
use exports_domain::{FileOptions, MessageFilter};
use exports_sandbox::garage::Garage;
use tokio::task::spawn_blocking;

use crate::baselines;
use crate::fixture::{Fixture, Store};
use crate::measured::{Exporter, PROJECT};
use crate::seeded;
use crate::table::Table;

use figures::{Figures, READERS};

const ROUNDS: usize = 3;

pub(crate) async fn run(fixture: &mut Fixture, table: &mut Table) -> Result<()> {
    let database = fixture.database().await?;
    seeded::seed(fixture, &database).await?;
    let garage = spawn_blocking(Garage::on_port).await??;
    let comparison = Comparison {
        filter: seeded::filter(fixture, &database).await?,
        files: Exporter::into_files(fixture, &database)?,
        s3: Exporter {
            fixture,
            database: &database,
            store: Store::in_bucket(&garage)?,
            options: FileOptions::default(),
        },
    };
    let mut figures = Figures::default();
    for round in 1..=ROUNDS {
        eprintln!("export: round {round} of {ROUNDS}");
        comparison.files_and_baselines(&mut figures).await?;
        comparison.readers(&mut figures).await?;
        comparison.s3(&mut figures).await?;
    }
    figures.add_to(table);
    table.note("The statements of psql", comparison.questions().await?);
    drop(comparison);
    fixture.drop_database(database).await
}

/// All of them export the same messages.
struct Comparison<'a> {
    filter: MessageFilter,
    files: Exporter<'a>,
    s3: Exporter<'a>,
}

impl Comparison<'_> {
    /// Our export and the commands of `psql`. Compares the first file with `psql`'s.
    async fn files_and_baselines(&self, figures: &mut Figures) -> Result<()> {
        let ours = self.files.export(&self.filter, &[]).await?;
        let exported = &ours.exported;
        figures.files.add(&ours);

        let theirs = self.files.fixture.folder().join("theirs.csv");
        let file = theirs
            .to_str()
            .context("a folder whose name is not UTF-8")?;
        let same_fields = baselines::copy(&baselines::same_fields(PROJECT, &self.filter), file);
        figures.same_fields.add(self.psql(&[&same_fields]).await?);
        if figures.sha256.is_empty() {
            let file = self.files.store.file(&exported.object_key)?;
            // With the header.
            let records = exported.rows.cast_unsigned() + 1;
            figures.sha256 = same_bytes::assert_same(&file, &theirs, records)?;
            figures.exported = Some(exported.clone());
        }
        self.files.store.remove(&exported.object_key)?;

        let plain_columns = baselines::copy(&baselines::plain_columns(PROJECT, &self.filter), file);
        figures
            .plain_columns
            .add(self.psql(&[&plain_columns]).await?);
        fs::remove_file(&theirs)?;

        let [jit, copy] = baselines::binary_copy(&PROJECT.parse()?, &self.filter);
        figures.binary.add(self.psql(&[&jit, &copy]).await?);
        Ok(())
    }

    /// In the same round as binary COPY to /dev/null, which is compared with one reader.
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

    /// The duration of these commands in `psql`, in seconds, with the output to /dev/null.
    async fn psql(&self, commands: &[&str]) -> Result<f64> {
        let mut arguments = vec!["-o", "/dev/null"];
        for command in commands {
            arguments.extend(["-c", *command]);
        }
        let time = self.files.fixture.psql(self.files.database, &arguments);
        Ok(time.await?.as_secs_f64())
    }

    async fn questions(&self) -> Result<String> {
        let same_fields = baselines::same_fields(PROJECT, &self.filter);
        let plan = self.files.database.explain(&same_fields).await?;
        let plain_columns = baselines::plain_columns(PROJECT, &self.filter);
        let [_, binary] = baselines::binary_copy(&PROJECT.parse()?, &self.filter);
        Ok(format!(
            "The same fields, and their plan:\n\n```sql\n{same_fields}\n```\n\n{plan}\n\
             The plain columns:\n\n```sql\n{plain_columns}\n```\n\n\
             Binary COPY, the worker's own statement for one reader:\n\n```sql\n{binary}\n```\n"
        ))
    }
}
