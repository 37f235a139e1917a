//! Downloads a file of an export: continues after a broken connection, also in a later run, and verifies the digest.

use std::io::SeekFrom;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::{Response, StatusCode, header};
use sha2::{Digest, Sha256};
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

use super::{Client, FileOfExport, check_status};
use crate::error::{Context, Error, Result};

/// How often in a row a download may break without a byte.
const MAX_FAILURES: u32 = 5;
const PAUSE: Duration = Duration::from_secs(1);

/// Where a file goes.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    Stdout,
    /// Until the file is complete it is `<path>.part`, with the `ETag` of its link in `<path>.part.etag`.
    File(PathBuf),
}

impl Client {
    /// Downloads a file. `on_bytes` gets the number of bytes so far.
    pub(crate) async fn download_file(
        &self,
        export: &str,
        file: &FileOfExport,
        target: &Target,
        on_bytes: impl Fn(u64),
    ) -> Result<()> {
        let mut output = Output::open(target).await?;
        let mut failures = 0;
        loop {
            on_bytes(output.bytes);
            let before = output.bytes;
            match self
                .download_some(export, file, &mut output, &on_bytes)
                .await
            {
                Ok(()) => break,
                Err(error) if is_final(&error) || failures >= MAX_FAILURES => return Err(error),
                Err(_) => {}
            }
            failures = if output.bytes > before {
                0
            } else {
                failures + 1
            };
            tokio::time::sleep(PAUSE).await;
        }
        output.finish(file).await
    }

    /// Downloads until the end, or until the connection breaks. Every call gets a new link: links live for minutes only.
    async fn download_some(
        &self,
        export: &str,
        file: &FileOfExport,
        output: &mut Output,
        on_bytes: &impl Fn(u64),
    ) -> Result<()> {
        if output.bytes == file.file_size_bytes {
            return Ok(());
        }
        let number = file.number;
        let path = format!("/v1/exports/{export}/download?redirect=false&file={number}");
        let link = self.get(&path).await?;
        let link = link["url"]
            .as_str()
            .ok_or_else(|| Error::new("the API returned no link"))?;
        let mut request = self.http.get(link);
        if let (1.., Some(etag)) = (output.bytes, &output.etag) {
            request = request
                .header(header::RANGE, format!("bytes={}-", output.bytes))
                .header(header::IF_RANGE, etag);
        }
        // Without the key: the link is signed.
        let response = request.send().await.context("cannot reach the store")?;
        let mut response = check_status(response).await?;
        if response.status() != StatusCode::PARTIAL_CONTENT {
            output.restart().await?;
        } else if etag(&response) != output.etag {
            // A store that ignores `If-Range`. The next request starts again.
            output.restart().await?;
            return Err(Error::new("the file has changed"));
        }
        output.keep_etag(&response).await?;
        while let Some(chunk) = response.chunk().await.context("the download broke")? {
            output.write(&chunk).await?;
            on_bytes(output.bytes);
        }
        if output.bytes < file.file_size_bytes {
            return Err(Error::new("the download ended early"));
        }
        Ok(())
    }
}

fn etag(response: &Response) -> Option<String> {
    let etag = response.headers().get(header::ETAG)?;
    etag.to_str().ok().map(str::to_owned)
}

/// Whether another request would have the same result.
fn is_final(error: &Error) -> bool {
    matches!(
        error,
        Error::NotFound { .. } | Error::Refused { .. } | Error::NoFile { .. } | Error::BrokenPipe
    )
}

/// The bytes so far.
struct Output {
    bytes: u64,
    hash: Sha256,
    etag: Option<String>,
    to: Opened,
}

enum Opened {
    Stdout(std::io::Stdout),
    Part { file: File, path: PathBuf },
}

impl Output {
    async fn open(target: &Target) -> Result<Self> {
        let (mut bytes, mut hash) = (0, Sha256::new());
        let path = match target {
            Target::Stdout => {
                return Ok(Self {
                    bytes,
                    hash,
                    etag: None,
                    to: Opened::Stdout(std::io::stdout()),
                });
            }
            Target::File(path) => path.clone(),
        };
        let etag = tokio::fs::read_to_string(beside(&path, ".part.etag"))
            .await
            .ok();
        let mut options = OpenOptions::new();
        // Without an ETag, nothing says that the bytes are of the same file.
        let options = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(etag.is_none());
        let mut file = options
            .open(beside(&path, ".part"))
            .await
            .context(writing(&path))?;
        let mut buffer = vec![0; 256 * 1024];
        loop {
            match file.read(&mut buffer).await.context(writing(&path))? {
                0 => break,
                count => {
                    hash.update(&buffer[..count]);
                    bytes += count as u64;
                }
            }
        }
        Ok(Self {
            bytes,
            hash,
            etag,
            to: Opened::Part { file, path },
        })
    }

    /// The store has sent the file from its start.
    async fn restart(&mut self) -> Result<()> {
        if self.bytes == 0 {
            return Ok(());
        }
        match &mut self.to {
            Opened::Stdout(_) => {
                return Err(Error::new(
                    "the download broke, and the store does not continue it: standard output has a part of the file",
                ));
            }
            Opened::Part { file, path } => {
                file.set_len(0).await.context(writing(path))?;
                file.seek(SeekFrom::Start(0)).await.context(writing(path))?;
            }
        }
        (self.bytes, self.hash) = (0, Sha256::new());
        Ok(())
    }

    /// For the next request.
    async fn keep_etag(&mut self, response: &Response) -> Result<()> {
        let etag = etag(response);
        if let (Opened::Part { path, .. }, Some(etag)) = (&self.to, &etag) {
            let written = tokio::fs::write(beside(path, ".part.etag"), etag).await;
            written.context(writing(path))?;
        }
        self.etag = etag;
        Ok(())
    }

    async fn write(&mut self, chunk: &[u8]) -> Result<()> {
        match &mut self.to {
            Opened::Stdout(stdout) => match std::io::Write::write_all(stdout, chunk) {
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                    return Err(Error::BrokenPipe);
                }
                written => written.context("standard output")?,
            },
            Opened::Part { file, path } => file.write_all(chunk).await.context(writing(path))?,
        }
        self.hash.update(chunk);
        self.bytes += chunk.len() as u64;
        Ok(())
    }

    /// Verifies the file and gives it its name.
    async fn finish(self, expected: &FileOfExport) -> Result<()> {
        let sha256 = hex::encode(self.hash.finalize());
        let is_valid = sha256 == expected.sha256;
        match self.to {
            Opened::Stdout(mut stdout) => {
                std::io::Write::flush(&mut stdout).context("standard output")?;
            }
            Opened::Part { mut file, path } => {
                file.flush().await.context(writing(&path))?;
                file.sync_all().await.context(writing(&path))?;
                let part = beside(&path, ".part");
                if is_valid {
                    tokio::fs::rename(part, &path)
                        .await
                        .context(writing(&path))?;
                } else {
                    // It would be continued.
                    tokio::fs::remove_file(part).await.ok();
                }
                tokio::fs::remove_file(beside(&path, ".part.etag"))
                    .await
                    .ok();
            }
        }
        if is_valid {
            return Ok(());
        }
        Err(Error::new(format!(
            "{} has SHA-256 {sha256} instead of {}: download it again",
            expected.name, expected.sha256
        )))
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn writing(path: &Path) -> String {
    format!("cannot write {}", path.display())
}
