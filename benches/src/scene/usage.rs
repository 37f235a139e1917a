//! What processes have used, as Linux tells it.

use std::fs;

use anyhow::{Context, Result};
use sqlx::PgPool;

/// How many of the units of /proc are a second: it is 100 wherever Linux tells times to programs.
const TICKS_PER_SECOND: f64 = 100.0;

/// The most resident memory that a process has had, in bytes.
pub(super) fn peak_memory(pid: u32) -> Result<u64> {
    let file = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&file).with_context(|| file.clone())?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    Ok(kibibytes.with_context(|| format!("VmHWM in {file}"))? * 1024)
}

/// The processor time that a process has used, user and system, without its children.
pub(super) fn cpu_seconds(pid: u32) -> Result<f64> {
    Ok(Stat::of(pid)?.own)
}

/// The processor time that all of PostgreSQL's processes have used, those that have ended included.
pub(crate) async fn cluster_cpu_seconds(pool: &PgPool) -> Result<f64> {
    let backend: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
        .fetch_one(pool)
        .await?;
    let postmaster = Stat::of(backend.cast_unsigned())?.parent;
    let server = Stat::of(postmaster)?;
    let mut seconds = server.own + server.ended_children;
    for entry in fs::read_dir("/proc").context("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // One that has just ended is among the ended children when it is asked for next.
        if let Ok(stat) = Stat::of(pid)
            && stat.parent == postmaster
        {
            seconds += stat.own;
        }
    }
    Ok(seconds)
}

/// Bytes as a table shows them.
pub(crate) fn mebibytes(bytes: u64) -> f64 {
    // Far below 2^52.
    #[allow(clippy::cast_precision_loss)]
    let bytes = bytes as f64;
    bytes / (1024.0 * 1024.0)
}

struct Stat {
    parent: u32,
    own: f64,
    ended_children: f64,
}

impl Stat {
    fn of(pid: u32) -> Result<Self> {
        let file = format!("/proc/{pid}/stat");
        let text = fs::read_to_string(&file).with_context(|| file.clone())?;
        Self::parse(&text).with_context(|| format!("{file}: {text}"))
    }

    fn parse(text: &str) -> Option<Self> {
        // `pid (name) state parent …`; the name may hold anything but ends at the last parenthesis.
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let seconds =
            |index: usize| Some(fields.get(index)?.parse::<f64>().ok()? / TICKS_PER_SECOND);
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            own: seconds(11)? + seconds(12)?,
            ended_children: seconds(13)? + seconds(14)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_used_memory_and_its_line_is_read_behind_its_name() {
        assert!(peak_memory(std::process::id()).unwrap() > 1024 * 1024);
        let line = "7 (a b) c) S 5 7 7 0 -1 4194560 1 2 3 4 150 50 300 100 20 0 1 0 9";
        let stat = Stat::parse(line).unwrap();
        assert_eq!(stat.parent, 5);
        assert!((stat.own - 2.0).abs() < 1e-9);
        assert!((stat.ended_children - 4.0).abs() < 1e-9);
    }
}
