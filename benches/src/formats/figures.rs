//! The results of the comparison, and their rows in the table.

use super::kinds::{CSV, CSV_GZIP, JSON_LINES, KINDS, Kind, PARQUET_ZSTD};
use super::rivals::{INSTALL, Rival};
use crate::fixture::mebibytes;
use crate::measured::Repeated;
use crate::samples::Samples;
use crate::table::{Limit, Row, Table};

#[derive(Debug, Default)]
pub(super) struct Figures {
    /// Of every file.
    pub(super) rows: Option<i64>,
    ours: Vec<(Kind, Repeated)>,
    rivals: Vec<(Rival, RivalFigures)>,
}

#[derive(Debug, Default)]
pub(super) struct RivalFigures {
    pub(super) seconds: Samples,
    /// Of the tool, with `psql`.
    pub(super) cpu: Samples,
    pub(super) database_cpu: Samples,
    pub(super) bytes: u64,
    /// The maximum, in bytes; 0 if unknown.
    pub(super) peak_memory: u64,
}

/// The limit for our time, divided by the rival's.
fn most_time(rival: Rival) -> Limit {
    match rival {
        Rival::Pigz => Limit::AtMost(0.6),
        Rival::Zstd => Limit::AtMost(0.4),
        Rival::DuckDb => Limit::AtMost(0.5),
        Rival::DuckDbInAnyOrder => Limit::None,
    }
}

/// The limit for our size, divided by the rival's.
fn most_size(kind: Kind) -> Limit {
    if kind == CSV_GZIP {
        Limit::AtMost(1.1)
    } else {
        Limit::None
    }
}

impl Figures {
    pub(super) fn ours(&mut self, kind: Kind) -> &mut Repeated {
        entry(&mut self.ours, kind)
    }

    pub(super) fn rival(&mut self, rival: Rival) -> &mut RivalFigures {
        entry(&mut self.rivals, rival)
    }

    pub(super) fn add_to(&self, table: &mut Table) {
        let rows = self.rows.unwrap_or_default();
        for kind in KINDS {
            let Some(ours) = get(&self.ours, kind) else {
                continue;
            };
            let what = format!("{rows} rows, {}", kind.name());
            let row = || Row::new(10, &what, shown(ours));
            match kind.rivals() {
                [] => table.add(self.beside_ours(kind, ours, row())),
                rivals => {
                    for rival in rivals {
                        table.add(self.beside_rival(*rival, ours, row()));
                    }
                    self.add_size(kind, ours, table);
                }
            }
            if kind == PARQUET_ZSTD {
                table.add(peak(kind, ours));
            }
        }
    }

    /// A kind that no tool writes, beside the same format without compression, and that beside CSV.
    fn beside_ours(&self, kind: Kind, ours: &Repeated, row: Row) -> Row {
        let (base, limit) = match kind {
            CSV => return row,
            JSON_LINES => (CSV, Limit::AtMost(1.3)),
            Kind { format, .. } => {
                let mut kinds = KINDS.into_iter();
                let first = kinds.find(|other| other.format == format);
                (first.unwrap_or(CSV), Limit::None)
            }
        };
        let Some(other) = get(&self.ours, base) else {
            return row;
        };
        let baseline = format!("our {}: {}", base.name(), other.seconds.seconds());
        row.against(baseline, ours.ratio(other), limit)
    }

    fn beside_rival(&self, rival: Rival, ours: &Repeated, row: Row) -> Row {
        let name = rival.name();
        let Some(theirs) = get(&self.rivals, rival) else {
            return row.not_compared(format!("{name}: not installed; run `{INSTALL}`"));
        };
        let ratio = ours.seconds.median() / theirs.seconds.median();
        let mut baseline = format!(
            "{name}: {}; CPU: {:.1} s, database {:.1} s",
            theirs.seconds.seconds(),
            theirs.cpu.median(),
            theirs.database_cpu.median()
        );
        if theirs.peak_memory > 0 {
            let peak = mebibytes(theirs.peak_memory);
            baseline = format!("{baseline}; peak {peak:.0} MiB");
        }
        row.against(baseline, ratio, most_time(rival))
    }

    fn add_size(&self, kind: Kind, ours: &Repeated, table: &mut Table) {
        let measured = kind.rivals().iter();
        for (rival, theirs) in measured.filter_map(|it| Some((it, get(&self.rivals, *it)?))) {
            let (our_size, their_size) = (mebibytes(ours.bytes), mebibytes(theirs.bytes));
            let row = Row::new(
                10,
                format!("{}: size", kind.name()),
                format!("{our_size:.1} MiB"),
            );
            let baseline = format!("{}: {their_size:.1} MiB", rival.name());
            table.add(row.against(baseline, our_size / their_size, most_size(kind)));
        }
    }
}

fn peak(kind: Kind, ours: &Repeated) -> Row {
    let peak = mebibytes(ours.peak_memory);
    let what = format!("{}: peak RSS of the worker, MiB", kind.name());
    let row = Row::new(10, what, format!("{peak:.0} MiB"));
    row.held_to(peak, Limit::AtMost(kind.most_memory()))
}

fn shown(ours: &Repeated) -> String {
    let (size, peak) = (mebibytes(ours.bytes), mebibytes(ours.peak_memory));
    format!(
        "{}; {size:.0} MiB; peak of the worker {peak:.0} MiB",
        ours.shown()
    )
}

fn entry<K: PartialEq, V: Default>(all: &mut Vec<(K, V)>, key: K) -> &mut V {
    let found = all.iter().position(|(other, _)| *other == key);
    let index = found.unwrap_or_else(|| {
        all.push((key, V::default()));
        all.len() - 1
    });
    &mut all[index].1
}

fn get<K: PartialEq + Copy, V>(all: &[(K, V)], key: K) -> Option<&V> {
    let found = all.iter().find(|(other, _)| *other == key);
    found.map(|(_, value)| value)
}
