//! The results of points 1 to 3, and their rows in the table.

use anyhow::{Context, Result, ensure};

use crate::fixture::{Exported, mebibytes};
use crate::measured::Repeated;
use crate::samples::Samples;
use crate::table::{Limit, Row, Table};

pub(super) const READERS: [&str; 3] = ["1", "2", "4"];

#[derive(Debug, Default)]
pub(super) struct Figures {
    /// The export whose file was compared with `psql`'s.
    pub(super) exported: Option<Exported>,
    /// SHA-256 of that file with LF instead of CRLF, and of `psql`'s file.
    pub(super) sha256: String,
    pub(super) files: Repeated,
    /// With unsigned payloads: a store on the worker's machine.
    pub(super) s3: Repeated,
    /// With signed payloads: a store across a network without TLS.
    pub(super) s3_signed: Repeated,
    pub(super) readers: [Repeated; READERS.len()],
    pub(super) same_fields: Samples,
    pub(super) plain_columns: Samples,
    pub(super) binary: Samples,
}

/// Asserts that another export has the same file.
pub(super) fn assert_equal(first: Option<&Exported>, other: &Exported) -> Result<()> {
    let first = first.context("no export to compare with")?;
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
    pub(super) fn add_to(&self, table: &mut Table) {
        self.tell_files(table);
        self.tell_s3(table);
        self.tell_readers(table);
        table.note("The data of points 1 to 3", self.small_print());
    }

    fn tell_files(&self, table: &mut Table) {
        let (rows, bytes) = self.rows_and_bytes();
        let size = mebibytes(bytes.cast_unsigned());
        let what = format!("{rows} rows, {size:.0} MiB, file store");
        for (baseline, samples, bar) in [
            ("`\\copy` of the same fields", &self.same_fields, 0.30),
            ("`\\copy` of the plain columns", &self.plain_columns, 0.60),
        ] {
            let ratio = self.files.seconds.median() / samples.median();
            let baseline = format!("{baseline}: {}", samples.seconds());
            let row = Row::new(1, &what, self.files.shown());
            table.add(row.against(baseline, ratio, Limit::AtMost(bar)));
        }
    }

    fn tell_s3(&self, table: &mut Table) {
        for (what, repeated, bar) in [
            ("the same into Garage", &self.s3, Limit::AtMost(0.45)),
            (
                "the same, `AWS_UNSIGNED_PAYLOAD=false`",
                &self.s3_signed,
                Limit::None,
            ),
        ] {
            let baseline = self.same_fields.seconds();
            let baseline = format!("`\\copy` of the same fields: {baseline}");
            let ratio = repeated.seconds.median() / self.same_fields.median();
            let row = Row::new(2, what, repeated.shown());
            table.add(row.against(baseline, ratio, bar));
        }
    }

    fn tell_readers(&self, table: &mut Table) {
        let [one, more @ ..] = &self.readers;
        let rate = self.binary.median() / one.seconds.median();
        let baseline = format!("binary COPY to /dev/null, rate: {}", self.binary.seconds());
        let row = Row::new(3, "`EXPORTS_READERS=1`, rate", one.shown());
        table.add(row.against(baseline, rate, Limit::AtLeast(0.85)));
        for (readers, repeated) in READERS[1..].iter().zip(more) {
            let what = format!("`EXPORTS_READERS={readers}`, time");
            let row = Row::new(3, what, repeated.shown());
            table.add(row.against("one reader", repeated.ratio(one), Limit::None));
        }
    }

    fn rows_and_bytes(&self) -> (i64, i64) {
        let exported = self.exported.as_ref();
        exported.map_or((0, 0), |exported| (exported.rows, exported.bytes))
    }

    fn small_print(&self) -> String {
        let (rows, _) = self.rows_and_bytes();
        format!(
            "`exportctl admin seed`, of which {rows} rows are exported, then `VACUUM (ANALYZE)`, as autovacuum would run it, \
             and `CHECKPOINT`. A trigger changes the texts that `psql` writes differently from the contract: \
             it removes CR, and puts `error: ` before a text that has a CR or starts like a formula. The service's file, \
             with LF instead of CRLF, is identical to `psql`'s file of the same fields: SHA-256 `{}`. \
             Times are medians, with the minimum and the maximum; each round measures everything in turn. \
             The server runs with `fsync = off`, as in `make test`; the worker syncs its file to the disk, psql does \
             not. Sessions of psql have the server's defaults; binary COPY has the worker's `jit = off`. Garage stores \
             uncompressed, on the same disk. Uploads have a checksum; with `AWS_UNSIGNED_PAYLOAD=false` they are also \
             signed, as over a network without TLS. CPU is user and system time, the sum of all PostgreSQL processes.",
            self.sha256
        )
    }
}
