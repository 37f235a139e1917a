//! Memory and processor time of a process, from Linux's `/proc`.

use std::fs;

use anyhow::{Context, Result};

/// The unit of times in `/proc/<pid>/stat` is 1/100 s on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// Resident memory, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// Now.
    pub current: u64,
    /// The maximum so far.
    pub peak: u64,
}

impl Memory {
    /// The memory of a process.
    pub fn of(pid: u32) -> Result<Self> {
        let file = format!("/proc/{pid}/status");
        let status = fs::read_to_string(&file).with_context(|| file.clone())?;
        let bytes = |field: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(field));
            let kibibytes =
                line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
            Ok::<_, anyhow::Error>(kibibytes.with_context(|| format!("{field} in {file}"))? * 1024)
        };
        Ok(Self {
            current: bytes("VmRSS:")?,
            peak: bytes("VmHWM:")?,
        })
    }
}

/// Fields of `/proc/<pid>/stat`.
#[derive(Debug, Clone, Copy)]
pub struct Stat {
    state: char,
    /// The parent's process id.
    pub parent: u32,
    /// Processor time, user and system, without children.
    pub cpu_seconds: f64,
    /// Processor time of the children that have ended.
    pub children_cpu_seconds: f64,
}

impl Stat {
    /// The fields of a process.
    pub fn of(pid: u32) -> Result<Self> {
        let file = format!("/proc/{pid}/stat");
        let text = fs::read_to_string(&file).with_context(|| file.clone())?;
        Self::parse(&text).with_context(|| format!("{file}: {text}"))
    }

    /// Whether a signal has stopped the process.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.state == 'T'
    }

    fn parse(text: &str) -> Option<Self> {
        // `pid (name) state parent …`; the name may contain any character but ends at the last parenthesis.
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let seconds =
            |index: usize| Some(fields.get(index)?.parse::<f64>().ok()? / TICKS_PER_SECOND);
        Some(Self {
            state: fields.first()?.chars().next()?,
            parent: fields.get(1)?.parse().ok()?,
            cpu_seconds: seconds(11)? + seconds(12)?,
            children_cpu_seconds: seconds(13)? + seconds(14)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_a_process_is_measured() {
        let memory = Memory::of(std::process::id()).unwrap();
        assert!(memory.peak >= memory.current && memory.current > 1024 * 1024);
    }

    #[test]
    fn the_process_name_can_contain_spaces_and_parentheses() {
        let line = "7 (a b) c) S 5 7 7 0 -1 4194560 1 2 3 4 150 50 300 100 20 0 1 0 9";
        let stat = Stat::parse(line).unwrap();
        assert_eq!((stat.state, stat.parent), ('S', 5));
        assert!((stat.cpu_seconds - 2.0).abs() < 1e-9);
        assert!((stat.children_cpu_seconds - 4.0).abs() < 1e-9);
    }
}
