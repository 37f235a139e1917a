//! Writes log lines to a destination that can fail, and reports lost lines there.

use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

use crate::settings::LogFormat;

/// The pause before a non-blocking standard error that is not ready is tried again.
const NOT_READY_PAUSE: Duration = Duration::from_millis(20);

static LOST: AtomicU64 = AtomicU64::new(0);

/// The number of log lines that this process has lost.
#[must_use]
pub(crate) fn log_lines_lost() -> u64 {
    LOST.load(Ordering::Relaxed)
}

pub(super) fn count_lost(lines: u64) {
    LOST.fetch_add(lines, Ordering::Relaxed);
}

/// The destination of the log, and the lost lines to report.
pub(super) struct Output<W> {
    sink: W,
    format: LogFormat,
    /// Lost lines that are not reported yet.
    lost: u64,
    /// The error that lost the last of them.
    reason: String,
    /// The last written byte is not a line break.
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

    /// Writes the report about lost lines, if there is one, and then whole lines. Lines that cannot be
    /// written are lost.
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
            // The last piece is empty: it follows the last line break.
            let lost = lines[written..].split(|byte| *byte == b'\n').count() as u64 - 1;
            count_lost(lost);
            self.lost += lost;
            self.reason = error.to_string();
        }
    }

    /// Reports lines that did not fit into the queue, after the lines that did.
    pub(super) fn report_overflow(&mut self, lines: u64) {
        if lines > 0 {
            self.lost += lines;
            "the log was not read fast enough".clone_into(&mut self.reason);
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
                    thread::sleep(NOT_READY_PAUSE);
                    continue;
                }
                Err(error) => error,
            };
            let written = length - bytes.len();
            return Err(Failed { written, error });
        }
        Ok(())
    }

    /// The line that reports the lost lines, in the configured format. Its level is ERROR, so that it fits
    /// every `RUST_LOG`.
    fn report(&self) -> String {
        let mut time = String::new();
        // Without a time, the line is still useful.
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
    /// The bytes that were written before the error.
    written: usize,
    error: io::Error,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Accepts bytes while there is space.
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
    fn lost_lines_are_reported_once_when_writing_works_again() {
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
    fn a_report_that_cannot_be_written_is_written_later() {
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
