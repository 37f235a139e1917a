//! Compresses the bytes of a file, in their order.
//!
//! It sits behind the reorder buffer, so it sees one chunk after the other, and holds a few of them: as many as
//! threads pack at the same time. While it waits, so does the reorder buffer (backpressure).

use std::collections::VecDeque;
use std::num::NonZeroU16;
use std::sync::{Arc, Mutex, PoisonError};

use exports_domain::{Compression, FileFormat, FileOptions};
use exports_formats::Format;
use exports_formats::compression::{Checksum, Deflater, GzipMember, ZstdError, ZstdFrame};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::job::JobError;
use crate::pipeline::buffer_pool::{Buffer, BufferPool};
use crate::pipeline::framed::{FramedOutput, chunk};
use crate::pipeline::readers::Slice;
use crate::pipeline::reorder_buffer::{Chunk, OrderedOutput};

/// How many chunks the channels to and from the thread of a zstd frame hold.
const QUEUED_CHUNKS: usize = 2;

/// The bytes of a file as they are stored.
pub(crate) enum StoredOutput<F: Format> {
    Plain(FramedOutput<F>),
    Gzip(GzipOutput<F>),
    Zstd(ZstdOutput<F>),
}

impl<F: Format> StoredOutput<F> {
    /// Packs the whole file, unless its format packs its own parts.
    pub(crate) fn new(plain: FramedOutput<F>, options: &FileOptions, threads: NonZeroU16) -> Self {
        match (options.format(), options.compression()) {
            (FileFormat::Csv | FileFormat::JsonLines, Compression::Gzip) => {
                Self::Gzip(GzipOutput::new(plain, threads))
            }
            (FileFormat::Csv | FileFormat::JsonLines, Compression::Zstd) => {
                Self::Zstd(ZstdOutput::new(plain, threads))
            }
            (FileFormat::Parquet, _) | (_, Compression::None | Compression::Snappy) => {
                Self::Plain(plain)
            }
        }
    }

    /// The rows of the next file; `None` if this was the last one. Call it at the end of the file.
    pub(crate) fn into_next_file(self) -> Option<OrderedOutput<Slice<F>>> {
        match self {
            Self::Plain(plain) => plain.into_next_file(),
            Self::Gzip(packed) => packed.plain.into_next_file(),
            Self::Zstd(packed) => packed.plain.into_next_file(),
        }
    }

    /// The next bytes; `None` at the end of the file.
    pub(crate) async fn next(&mut self) -> Result<Option<Chunk>, JobError> {
        match self {
            Self::Plain(bytes) => bytes.next().await,
            Self::Gzip(bytes) => bytes.next().await,
            Self::Zstd(bytes) => bytes.next().await,
        }
    }
}

/// Packs several chunks at the same time as blocks of one gzip member.
pub(crate) struct GzipOutput<F: Format> {
    plain: FramedOutput<F>,
    member: GzipMember,
    /// Whether all plain bytes are taken.
    is_taken: bool,
    /// Whether start and end of the member are written.
    has_start: bool,
    has_end: bool,
    blocks: VecDeque<JoinHandle<(Buffer, Checksum)>>,
    threads: usize,
    deflaters: Arc<Mutex<Vec<Deflater>>>,
    buffers: BufferPool,
}

impl<F: Format> GzipOutput<F> {
    pub(crate) fn new(plain: FramedOutput<F>, threads: NonZeroU16) -> Self {
        Self {
            plain,
            member: GzipMember::default(),
            is_taken: false,
            has_start: false,
            has_end: false,
            blocks: VecDeque::new(),
            threads: usize::from(threads.get()),
            deflaters: Arc::default(),
            buffers: BufferPool::new(0),
        }
    }

    async fn next(&mut self) -> Result<Option<Chunk>, JobError> {
        if !self.has_start {
            self.has_start = true;
            return Ok(Some(chunk(GzipMember::START.to_vec())));
        }
        loop {
            let can_take = !self.is_taken && self.blocks.len() < self.threads;
            tokio::select! {
                biased;
                // Blocks that are being packed must not wait for rows that are not there yet.
                Some(packed) = front(&mut self.blocks) => {
                    self.blocks.pop_front();
                    let (block, checksum) = packed.map_err(|panicked| JobError::internal(&panicked))?;
                    self.member.add(&checksum);
                    return Ok(Some(block.into()));
                }
                plain = self.plain.next(), if can_take => match plain? {
                    Some(plain) => self.pack(plain),
                    None => self.is_taken = true,
                },
                else => break,
            }
        }
        if self.has_end {
            return Ok(None);
        }
        self.has_end = true;
        Ok(Some(chunk(self.member.end().to_vec())))
    }

    fn pack(&mut self, plain: Chunk) {
        let (deflaters, buffers) = (self.deflaters.clone(), self.buffers.clone());
        self.blocks.push_back(tokio::task::spawn_blocking(move || {
            let lock = || deflaters.lock().unwrap_or_else(PoisonError::into_inner);
            let mut deflater = lock().pop().unwrap_or_default();
            let mut block = buffers.take();
            let checksum = deflater.pack(&plain.bytes, &mut block);
            lock().push(deflater);
            (block, checksum)
        }));
    }
}

/// Waits for the first of the blocks; `None` if there is none. Cancel safe.
async fn front<T>(
    blocks: &mut VecDeque<JoinHandle<T>>,
) -> Option<Result<T, tokio::task::JoinError>> {
    Some(blocks.front_mut()?.await)
}

/// Packs the bytes as one zstd frame, on a thread that waits for the threads of libzstd.
pub(crate) struct ZstdOutput<F: Format> {
    plain: FramedOutput<F>,
    /// A chunk for which the channel had no space yet.
    waiting: Option<Chunk>,
    input: Option<mpsc::Sender<Chunk>>,
    output: mpsc::Receiver<Buffer>,
    packing: Option<JoinHandle<Result<(), ZstdError>>>,
}

impl<F: Format> ZstdOutput<F> {
    pub(crate) fn new(plain: FramedOutput<F>, threads: NonZeroU16) -> Self {
        let (input, chunks) = mpsc::channel(QUEUED_CHUNKS);
        let (packed, output) = mpsc::channel(QUEUED_CHUNKS);
        // With one thread, this one packs.
        let threads = if threads.get() == 1 { 0 } else { threads.get() };
        let packing =
            tokio::task::spawn_blocking(move || pack_frame(threads.into(), chunks, &packed));
        Self {
            plain,
            waiting: None,
            input: Some(input),
            output,
            packing: Some(packing),
        }
    }

    async fn next(&mut self) -> Result<Option<Chunk>, JobError> {
        loop {
            let can_take = self.input.is_some() && self.waiting.is_none();
            tokio::select! {
                biased;
                packed = self.output.recv() => return match packed {
                    Some(packed) => Ok(Some(packed.into())),
                    None => self.ended().await,
                },
                () = space(self.input.as_ref()), if self.waiting.is_some() => {
                    if let (Some(input), Some(chunk)) = (&self.input, self.waiting.take()) {
                        // There is space, and nothing else sends. If the thread has ended, its result says why.
                        input.try_send(chunk).ok();
                    }
                }
                plain = self.plain.next(), if can_take => {
                    self.waiting = plain?;
                    if self.waiting.is_none() {
                        self.input = None;
                    }
                }
            }
        }
    }

    async fn ended(&mut self) -> Result<Option<Chunk>, JobError> {
        if let Some(packing) = self.packing.take() {
            let packed = packing.await;
            packed
                .map_err(|panicked| JobError::internal(&panicked))?
                .map_err(|error| JobError::internal(&error))?;
        }
        Ok(None)
    }
}

/// Waits until the channel has space, or is closed.
async fn space(input: Option<&mpsc::Sender<Chunk>>) {
    if let Some(input) = input {
        input.reserve().await.ok();
    }
}

fn pack_frame(
    threads: u32,
    mut chunks: mpsc::Receiver<Chunk>,
    output: &mpsc::Sender<Buffer>,
) -> Result<(), ZstdError> {
    let buffers = BufferPool::new(0);
    let mut frame = ZstdFrame::new(threads)?;
    let mut packed = buffers.take();
    while let Some(chunk) = chunks.blocking_recv() {
        frame.push(&chunk.bytes, &mut packed)?;
        if packed.is_empty() {
            continue;
        }
        let full = std::mem::replace(&mut packed, buffers.take());
        // Without a receiver, the attempt has stopped.
        if output.blocking_send(full).is_err() {
            return Ok(());
        }
    }
    frame.finish(&mut packed)?;
    output.blocking_send(packed).ok();
    Ok(())
}
