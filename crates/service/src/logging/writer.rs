//! A log writer that never blocks its callers and never fails.
//!
//! Lines wait in a bounded queue, and a separate thread writes them to standard error. A line is lost if the
//! queue is full (the reader is too slow or has stopped), or if it cannot be written (the reader is gone, the
//! disk is full). Lost lines are counted, and one line reports them when writing works again.
//!
//! `tracing-appender` is not used: it neither counts nor reports failed writes, and it prints to standard
//! error when the process ends, where it can block.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::logging::output::{Output, count_lost};
use crate::settings::LogFormat;

/// The capacity of the queue in bytes: about 16,000 lines.
const QUEUE_CAPACITY: usize = 4 * 1024 * 1024;
/// How long lines are collected before they are written. Waking the thread for each line would cost more than
/// writing it.
const BATCH_DELAY: Duration = Duration::from_millis(1);
/// Timeout of [`LogWriter::flush`].
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Takes one log line per call of [`Write::write`]. Clones share one queue.
#[derive(Debug, Clone)]
pub(crate) struct LogWriter(Arc<Queue>);

#[derive(Debug, Default)]
struct Queue {
    state: Mutex<State>,
    /// The queue is no longer empty.
    filled: Condvar,
    /// Every line is written.
    written: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<u8>,
    /// The number of lines that did not fit into the queue.
    overflow: u64,
    /// The thread waits for lines.
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

    /// Waits until every line is written, or until [`FLUSH_TIMEOUT`].
    pub(crate) fn flush(&self) {
        let busy = |state: &mut State| !(state.is_idle && state.lines.is_empty());
        let state = self.0.lock();
        drop(
            self.0
                .written
                .wait_timeout_while(state, FLUSH_TIMEOUT, busy),
        );
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
        if state.lines.len() + line.len() > QUEUE_CAPACITY {
            state.overflow += 1;
            count_lost(1);
            return;
        }
        state.lines.extend_from_slice(line);
        let wake = std::mem::take(&mut state.is_idle);
        drop(state);
        if wake {
            self.filled.notify_one();
        }
    }

    /// Runs in the thread: writes lines for as long as the process runs.
    fn drain(&self, mut output: Output<impl Write>) {
        let mut batch = Vec::new();
        loop {
            let overflow = self.take(&mut batch);
            output.write(&batch);
            output.report_overflow(overflow);
            batch.clear();
        }
    }

    /// Waits for lines and swaps them with the empty `batch`. Returns the number of lines that did not fit.
    fn take(&self, batch: &mut Vec<u8>) -> u64 {
        let mut state = self.lock();
        if state.lines.is_empty() {
            state.is_idle = true;
            self.written.notify_all();
            let idle = |state: &mut State| state.lines.is_empty();
            let filled = self.filled.wait_while(state, idle);
            drop(filled.unwrap_or_else(PoisonError::into_inner));
            thread::sleep(BATCH_DELAY);
            state = self.lock();
        }
        std::mem::swap(&mut state.lines, batch);
        std::mem::take(&mut state.overflow)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_blocked_reader_loses_lines_but_does_not_block_the_writer() {
        /// Blocks until the test continues, and sends the written bytes to the test.
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
        let line = [b"x".repeat(QUEUE_CAPACITY / 8 - 1), b"\n".to_vec()].concat();
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
            "8 lines fit into the queue, and 8 more are being written"
        );
        assert_eq!(whole.count() + lost, 30);
    }
}
