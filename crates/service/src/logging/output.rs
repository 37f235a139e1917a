//! Standard error, and what the log's thread has to report there.

use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

use crate::settings::LogFormat;

/// Until the next try where standard error does not block and its reader is not ready.
const NOT_READY: Duration = Duration::from_millis(20);

/// Of this process, since its start.
static LOST: AtomicU64 = AtomicU64::new(0);

/// How many lines of the log were lost since the process began.
#[must_use]
pub fn log_lines_lost() -> u64 {
    LOST.load(Ordering::Relaxed)
}

pub(super) fn count_lost(lines: u64) {
    LOST.fetch_add(lines, Ordering::Relaxed);
}

/// What the thread writes to, and what it has to report there.
pub(super) struct Output<W> {
    sink: W,
    format: LogFormat,
    /// Lines that were lost and not reported yet.
    lost: u64,
    reason: String,
    /// The last byte that was written is not the end of a line.
    is_inside_line: bool,
}

impl<W: Write> Output<W> {
    pub(super) fn new(sink: W, format: LogFormat) -> Self {
        Self {
            sink,
            format,
            lost: 0,
            reason: String::new(),
            is_inside_line: false,
        }
    }

    /// Writes whole lines, before them what there is to report. What cannot be written is lost.
    pub(super) fn write(&mut self, lines: &[u8]) {
        let mut report = Vec::new();
        if self.is_inside_line {
            report.push(b'\n');
        }
        if self.lost > 0 {
            report.extend_from_slice(self.report().as_bytes());
        }
        let reported = self.write_all(&report);
        if reported.is_ok() {
            self.lost = 0;
        }
        let written = match reported {
            Ok(()) => self.write_all(lines),
            Err(failed) => Err(Failed {
                written: 0,
                ..failed
            }),
        };
        if let Err(Failed { written, error }) = written {
            // Between two ends of lines there is one piece.
            let lost = lines[written..].split(|byte| *byte == b'\n').count() as u64 - 1;
            count_lost(lost);
            self.lost += lost;
            self.reason = error.to_string();
        }
    }

    /// Reports lines that did not fit into the queue, after those that did.
    pub(super) fn report_overflow(&mut self, lines: u64) {
        if lines > 0 {
            self.lost += lines;
            "nobody read the log, or not fast enough".clone_into(&mut self.reason);
            self.write(&[]);
        }
    }

    fn write_all(&mut self, mut bytes: &[u8]) -> Result<(), Failed> {
        let length = bytes.len();
        while !bytes.is_empty() {
            let error = match self.sink.write(bytes) {
                Ok(0) => ErrorKind::WriteZero.into(),
                Ok(written) => {
                    self.is_inside_line = bytes[written - 1] != b'\n';
                    bytes = &bytes[written..];
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    thread::sleep(NOT_READY);
                    continue;
                }
                Err(error) => error,
            };
            let written = length - bytes.len();
            return Err(Failed { written, error });
        }
        Ok(())
    }

    /// The line that says what was lost, in the form of the others. At the highest level, so that no
    /// setting of levels hides it.
    fn report(&self) -> String {
        let mut time = String::new();
        // A time that cannot be written is left out: nothing reads it.
        SystemTime.format_time(&mut Writer::new(&mut time)).ok();
        let (target, lost, reason) = (module_path!(), self.lost, &self.reason);
        let message = "log lines were lost";
        match self.format {
            LogFormat::Text => {
                format!("{time} ERROR {target}: {message} lines={lost} error={reason:?}\n")
            }
            LogFormat::Json => format!(
                "{{\"timestamp\":\"{time}\",\"level\":\"ERROR\",\"message\":\"{message}\",\
                 \"lines\":{lost},\"error\":{reason:?},\"target\":\"{target}\"}}\n"
            ),
        }
    }
}

struct Failed {
    /// Bytes before it failed.
    written: usize,
    error: io::Error,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes bytes while there is space.
    struct Disk {
        space: usize,
        text: Vec<u8>,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.space == 0 {
                return Err(ErrorKind::StorageFull.into());
            }
            let now = bytes.len().min(self.space);
            self.space -= now;
            self.text.extend_from_slice(&bytes[..now]);
            Ok(now)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn output(space: usize, format: LogFormat) -> Output<Disk> {
        let text = Vec::new();
        Output::new(Disk { space, text }, format)
    }

    fn lines(output: &Output<Disk>) -> Vec<String> {
        let text = String::from_utf8(output.sink.text.clone()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn what_was_lost_is_reported_once_when_writing_works_again() {
        let mut output = output(8, LogFormat::Text);
        output.write(b"first\nsecond\nthird\n");
        output.write(b"fourth\n");
        output.sink.space = usize::MAX;
        output.write(b"fifth\n");
        output.write(b"sixth\n");
        let lines = lines(&output);
        assert_eq!(lines.len(), 5, "{lines:?}");
        assert_eq!(lines[..2], ["first", "se"], "the rest of a line is lost");
        assert!(
            lines[2].ends_with("log lines were lost lines=3 error=\"no storage space\""),
            "{}",
            lines[2]
        );
        assert_eq!(lines[3..], ["fifth", "sixth"]);
    }

    #[test]
    fn a_report_that_cannot_be_written_is_not_forgotten() {
        let mut output = output(0, LogFormat::Json);
        output.write(b"first\n");
        output.sink.space = 10;
        output.write(b"second\n");
        output.sink.space = usize::MAX;
        output.write(b"third\n");
        let lines = lines(&output);
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines[1].starts_with("{\"timestamp\":\"20"), "{}", lines[1]);
        assert!(
            lines[1]
                .contains("\"level\":\"ERROR\",\"message\":\"log lines were lost\",\"lines\":2"),
            "{}",
            lines[1]
        );
        assert_eq!(lines[2], "third");
    }
}
