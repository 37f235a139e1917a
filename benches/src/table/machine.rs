//! The machine and the date of a measurement.

use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::fixture::Fixture;

#[derive(Debug)]
pub(super) struct Machine {
    cores: usize,
    processor: String,
    memory: String,
    kernel: String,
    postgres: String,
    file_system: String,
    date: String,
    command: String,
}

impl Machine {
    pub(super) async fn describe(fixture: &Fixture) -> Result<Self> {
        // The database's clock, like all times of the benchmarks.
        let (postgres, date): (String, String) = sqlx::query_as(
            "SELECT split_part(version(), ' (', 1), to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
        )
        .fetch_one(fixture.admin())
        .await?;
        Ok(Self {
            cores: std::thread::available_parallelism()?.get(),
            processor: field("/proc/cpuinfo", "model name"),
            memory: memory(),
            kernel: read("/proc/sys/kernel/osrelease"),
            postgres,
            file_system: file_system(fixture.folder()),
            date,
            command: std::env::args().skip(1).collect::<Vec<_>>().join(" "),
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "Measured on {} with `exports-bench {}`: {} cores ({}), {} of memory, files on {}, \
             Linux {}, {}.\n",
            self.date,
            self.command,
            self.cores,
            self.processor,
            self.memory,
            self.file_system,
            self.kernel,
            self.postgres,
        )
    }
}

fn memory() -> String {
    let total = field("/proc/meminfo", "MemTotal");
    let kibibytes = total
        .strip_suffix(" kB")
        .and_then(|total| total.parse().ok());
    kibibytes.map_or(total.clone(), |kibibytes: u64| {
        format!("{} GiB", (kibibytes + 512 * 1024) / (1024 * 1024))
    })
}

/// The value of the first line with this name, in a file of `name : value` lines.
fn field(file: &str, name: &str) -> String {
    let text = read(file);
    let found = text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    });
    found.unwrap_or_else(|| format!("unknown {name}"))
}

fn read(file: &str) -> String {
    fs::read_to_string(file)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// The type of the file system of a folder, from its longest mount point.
fn file_system(folder: &Path) -> String {
    let mounts = read("/proc/mounts");
    let above = mounts.lines().filter_map(|line| {
        let mut parts = line.split(' ').skip(1);
        let (point, kind) = (parts.next()?, parts.next()?);
        folder.starts_with(point).then_some((point.len(), kind))
    });
    let longest = above.max_by_key(|(length, _)| *length);
    longest.map_or_else(
        || "an unknown file system".to_owned(),
        |(_, kind)| kind.to_owned(),
    )
}
