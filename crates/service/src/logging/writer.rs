//! Standard error, written by a thread of its own: a service never waits for the reader of its log
//! and never fails because of it.
//!
//! Lines wait in a queue of bounded size. A line that does not fit (the reader is too slow or has
//! stopped) or that cannot be written (the reader is gone, the disk is full) is lost and counted;
//! once writing works again, one line says how many were lost. `tracing-appender`'s writer is not
//! used: it neither counts nor reports failed writes, and when the process ends it prints to
//! standard error, where it can wait for ever.

use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

use crate::settings::LogFormat;

/// The most bytes that wait to be written: some 16,000 lines.
const ROOM: usize = 4 * 1024 * 1024;
/// How long lines are collected before they are written. Without it, waking the thread for each line
/// costs more than writing the line.
const GATHER: Duration = Duration::from_millis(1);
/// Until the next try where standard error does not block and its reader is not ready.
const NOT_READY: Duration = Duration::from_millis(20);
/// How long the end of the process waits for the last lines.
const FLUSH: Duration = Duration::from_secs(1);

/// Of this process, since its start.
static LOST: AtomicU64 = AtomicU64::new(0);

/// How many lines of the log were lost since the process began.
#[must_use]
pub fn log_lines_lost() -> u64 {
    LOST.load(Ordering::Relaxed)
}

/// Takes lines of the log, one with each call of [`Write::write`]. Clones share one queue.
#[derive(Debug, Clone)]
pub(crate) struct LogWriter(Arc<Queue>);

#[derive(Debug, Default)]
struct Queue {
    state: Mutex<State>,
    /// There is something to write.
    filled: Condvar,
    /// All of it was written.
    written: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<u8>,
    /// Lines that did not fit.
    overflow: u64,
    /// The thread waits for the next line.
    is_idle: bool,
}

impl LogWriter {
    /// Starts the thread that writes to `sink`.
    pub(crate) fn start(sink: impl Write + Send + 'static, format: LogFormat) -> io::Result<Self> {
        let queue = Arc::new(Queue::default());
        let output = Output::new(sink, format);
        thread::Builder::new().name("log".to_owned()).spawn({
            let queue = Arc::clone(&queue);
            move || queue.drain(output)
        })?;
        Ok(Self(queue))
    }

    /// Waits until every line so far was written, or for a second.
    pub(crate) fn flush(&self) {
        let busy = |state: &mut State| !(state.is_idle && state.lines.is_empty());
        let state = self.0.lock();
        drop(self.0.written.wait_timeout_while(state, FLUSH, busy));
    }
}

impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Queue {
    fn push(&self, line: &[u8]) {
        let mut state = self.lock();
        if state.lines.len() + line.len() > ROOM {
            state.overflow += 1;
            LOST.fetch_add(1, Ordering::Relaxed);
            return;
        }
        state.lines.extend_from_slice(line);
        let wake = std::mem::take(&mut state.is_idle);
        drop(state);
        if wake {
            self.filled.notify_one();
        }
    }

    /// The thread's life.
    fn drain(&self, mut output: Output<impl Write>) {
        let mut batch = Vec::new();
        loop {
            let overflow = self.take(&mut batch);
            output.write(&batch);
            output.report_overflow(overflow);
            batch.clear();
        }
    }

    /// Waits for lines and exchanges them for the empty `batch`. Gives how many did not fit.
    fn take(&self, batch: &mut Vec<u8>) -> u64 {
        let mut state = self.lock();
        if state.lines.is_empty() {
            state.is_idle = true;
            self.written.notify_all();
            let idle = |state: &mut State| state.lines.is_empty();
            let filled = self.filled.wait_while(state, idle);
            drop(filled.unwrap_or_else(PoisonError::into_inner));
            thread::sleep(GATHER);
            state = self.lock();
        }
        std::mem::swap(&mut state.lines, batch);
        std::mem::take(&mut state.overflow)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the thread writes to, and what it has to report there.
struct Output<W> {
    sink: W,
    format: LogFormat,
    /// Lines that were lost and not reported yet.
    lost: u64,
    reason: String,
    /// The last byte that was written is not the end of a line.
    is_inside_line: bool,
}

impl<W: Write> Output<W> {
    fn new(sink: W, format: LogFormat) -> Self {
        Self {
            sink,
            format,
            lost: 0,
            reason: String::new(),
            is_inside_line: false,
        }
    }

    /// Writes whole lines, before them what there is to report. What cannot be written is lost.
    fn write(&mut self, lines: &[u8]) {
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
            LOST.fetch_add(lost, Ordering::Relaxed);
            self.lost += lost;
            self.reason = error.to_string();
        }
    }

    /// Reports lines that did not fit into the queue, after those that did.
    fn report_overflow(&mut self, lines: u64) {
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
    use std::sync::mpsc;

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

    #[test]
    fn a_reader_that_stands_still_costs_lines_and_no_time() {
        /// Blocks until the test lets it go on, and gives the test what is written.
        struct Pipe(mpsc::Receiver<()>, mpsc::Sender<Vec<u8>>);

        impl Write for Pipe {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.recv().ok();
                self.1.send(bytes.to_vec()).ok();
                Ok(bytes.len())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        let (go_on, blocked) = mpsc::channel();
        let (written, text) = mpsc::channel();
        let mut log = LogWriter::start(Pipe(blocked, written), LogFormat::Text).unwrap();
        let line = [b"x".repeat(ROOM / 8 - 1), b"\n".to_vec()].concat();
        for _ in 0..30 {
            log.write_all(&line).unwrap();
        }
        drop(go_on);
        log.flush();
        let text: Vec<u8> = text.try_iter().flatten().collect();
        let text = String::from_utf8(text).unwrap();
        let whole = text.lines().filter(|text| text.len() == line.len() - 1);
        let reported = text.lines().filter_map(|text| {
            let (_, lost) = text.split_once("log lines were lost lines=")?;
            lost.split(' ').next()?.parse::<usize>().ok()
        });
        let lost: usize = reported.sum();
        assert!(
            lost >= 14,
            "8 lines fit into the queue, and as many are being written"
        );
        assert_eq!(whole.count() + lost, 30);
    }
}
