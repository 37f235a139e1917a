//! What the rounds of points 1 to 3 have measured, and how the table tells it.

use anyhow::{Context, Result, ensure};

use crate::measured::Repeated;
use crate::samples::Samples;
use crate::scene::{Exported, mebibytes};
use crate::table::{Bar, Row, Table};

pub(super) const READERS: [&str; 3] = ["1", "2", "4"];

#[derive(Debug, Default)]
pub(super) struct Figures {
    /// The export whose file was held against `psql`'s.
    pub(super) exported: Option<Exported>,
    /// Of that file with CRLF turned into LF, and of `psql`'s.
    pub(super) sha256: String,
    pub(super) files: Repeated,
    /// As it is for a store on the worker's machine.
    pub(super) s3: Repeated,
    /// As it is for a store across a network in the clear.
    pub(super) s3_signed: Repeated,
    pub(super) readers: [Repeated; READERS.len()],
    pub(super) same_fields: Samples,
    pub(super) plain_columns: Samples,
    pub(super) binary: Samples,
}

/// That another export has the file of the first one.
pub(super) fn assert_equal(first: Option<&Exported>, other: &Exported) -> Result<()> {
    let first = first.context("nothing was exported before")?;
    ensure!(
        first.sha256 == other.sha256,
        "another file: {} rows with SHA-256 {}, before {} rows with {}",
        other.rows,
        other.sha256,
        first.rows,
        first.sha256
    );
    Ok(())
}

impl Figures {
    pub(super) fn tell(&self, table: &mut Table) {
        self.tell_files(table);
        self.tell_s3(table);
        self.tell_readers(table);
        table.note("The data of points 1 to 3", self.small_print());
    }

    fn tell_files(&self, table: &mut Table) {
        let (rows, bytes) = self.rows_and_bytes();
        let size = mebibytes(bytes.cast_unsigned());
        let what = format!("{rows} rows, {size:.0} MiB, file store");
        for (rival, samples, bar) in [
            ("`\\copy` of the same fields", &self.same_fields, 0.30),
            ("`\\copy` of the plain columns", &self.plain_columns, 0.60),
        ] {
            let ratio = self.files.seconds.median() / samples.median();
            let rival = format!("{rival}: {}", samples.seconds());
            let row = Row::new(1, &what, self.files.shown());
            table.add(row.against(rival, ratio, Bar::AtMost(bar)));
        }
    }

    fn tell_s3(&self, table: &mut Table) {
        for (what, repeated, bar) in [
            ("the same into Garage", &self.s3, Bar::AtMost(0.45)),
            (
                "the same, `AWS_UNSIGNED_PAYLOAD=false`",
                &self.s3_signed,
                Bar::Told,
            ),
        ] {
            let rival = self.same_fields.seconds();
            let rival = format!("`\\copy` of the same fields: {rival}");
            let ratio = repeated.seconds.median() / self.same_fields.median();
            let row = Row::new(2, what, repeated.shown());
            table.add(row.against(rival, ratio, bar));
        }
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
        for (readers, repeated) in READERS[1..].iter().zip(more) {
            let what = format!("`EXPORTS_READERS={readers}`, time");
            let row = Row::new(3, what, repeated.shown());
            table.add(row.against("one reader", repeated.ratio(one), Bar::Told));
        }
    }

    fn rows_and_bytes(&self) -> (i64, i64) {
        let exported = self.exported.as_ref();
        exported.map_or((0, 0), |exported| (exported.rows, exported.bytes))
    }

    fn small_print(&self) -> String {
        let (rows, _) = self.rows_and_bytes();
        format!(
            "`exportctl seed`, of which {rows} rows are exported, then `VACUUM (ANALYZE)`, as autovacuum would run it, \
             and `CHECKPOINT`. On the way in, texts that `psql` writes in another way than the contract were tamed: \
             CR was taken out, and what has one or starts like a formula got `error: ` before it. The service's file, \
             with CRLF turned into LF, is `psql`'s file of the same fields byte for byte: SHA-256 `{}`. \
             Times are medians, in brackets the least and the largest; in each round everything was measured in turn. \
             The server runs with `fsync = off`, as in `make test`; the worker's file is synced to the disk, psql's \
             is not. SessionPool of psql have the server's defaults, binary COPY the worker's `jit = off`. Garage stores \
             uncompressed, on the same disk; bodies go to it with a checksum, and with \
             `AWS_UNSIGNED_PAYLOAD=false` signed, as over a network in the clear. CPU is user and system time, all of PostgreSQL's processes together.",
            self.sha256
        )
    }
}
