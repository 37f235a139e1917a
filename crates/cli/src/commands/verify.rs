//! `exportctl verify`: compares downloaded files with the manifest of their export. It needs no connection.

mod manifest;
mod rows;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use exports_wire::ManifestPublicKey;
use sha2::{Digest, Sha256};

use crate::error::{Context, Error, Result};
use crate::output::{note, print};
use crate::table::printable;
use manifest::{Manifest, ManifestFile};

/// Verifies downloaded files with the manifest of their export
///
/// Checks the names, sizes, SHA-256 digests and row counts of all files, and the signature of the manifest. Works offline.
/// Exit code 3: something does not match.
#[derive(Debug, Args)]
pub(super) struct Verify {
    /// The manifest: the response of GET /v1/exports/{id}/manifest, or its data
    manifest: PathBuf,
    /// All files of the export, by the names that they have in the manifest
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The public key of the service, in PEM, as /.well-known/exports-manifest-key returns it. With it, the manifest must
    /// have a valid signature
    #[arg(long, value_name = "PATH")]
    key: Option<PathBuf>,
}

impl Verify {
    pub(super) fn run(self) -> Result<()> {
        let text = read(&self.manifest)?;
        let manifest = Manifest::parse(&text).context(shown(&self.manifest))?;
        let mut is_valid = self.verify_signature(&manifest)?;
        for file in manifest.files() {
            let given = self.files.iter().filter(|path| name(path) == file.name);
            let problems = match given.collect::<Vec<_>>().as_slice() {
                [] => vec!["is missing: give its path".to_owned()],
                [path] => problems(&manifest, file, path)?,
                _ => vec!["is given more than once".to_owned()],
            };
            is_valid &= problems.is_empty();
            report(file, &problems)?;
        }
        for path in &self.files {
            if !manifest.files().iter().any(|file| file.name == name(path)) {
                is_valid = false;
                print(&format!("{}: is not in the manifest", shown(path)))?;
            }
        }
        if is_valid {
            Ok(())
        } else {
            Err(Error::Findings)
        }
    }

    fn verify_signature(&self, manifest: &Manifest) -> Result<bool> {
        let Some(path) = &self.key else {
            if manifest.signature().is_some() {
                note("The manifest is signed, but without --key the signature is not checked.");
            }
            return Ok(true);
        };
        let key = ManifestPublicKey::from_pem(&read(path)?);
        let key = key.map_err(|error| Error::new(format!("{}: {error}", shown(path))))?;
        let (is_valid, result) = match manifest.signature() {
            None => (false, "the manifest has no signature"),
            Some(signature) if key.verifies(&manifest.signed_bytes(), signature) => {
                (true, "the signature is valid")
            }
            Some(_) => (
                false,
                "the signature does not match: the manifest was changed, or the key is another one",
            ),
        };
        print(&format!("{}: {result}", shown(&self.manifest)))?;
        Ok(is_valid)
    }
}

/// What does not match.
fn problems(manifest: &Manifest, file: &ManifestFile, path: &Path) -> Result<Vec<String>> {
    let (size, sha256) = digest(path).context(format!("cannot read {}", shown(path)))?;
    if size != file.file_size_bytes {
        let expected = file.file_size_bytes;
        return Ok(vec![format!("has {size} bytes instead of {expected}")]);
    }
    if sha256 != file.sha256 {
        let expected = &file.sha256;
        return Ok(vec![format!("has SHA-256 {sha256} instead of {expected}")]);
    }
    Ok(match rows::count(path, manifest.shape()) {
        Ok(rows) if rows == file.row_count => vec![],
        Ok(rows) => vec![format!("has {rows} rows instead of {}", file.row_count)],
        Err(error) => vec![format!("cannot be read as {}: {error}", manifest.shape())],
    })
}

fn report(file: &ManifestFile, problems: &[String]) -> Result<()> {
    let name = printable(&file.name);
    if problems.is_empty() {
        let (rows, bytes) = (file.row_count, file.file_size_bytes);
        return print(&format!("{name}: ok, {rows} rows, {bytes} bytes"));
    }
    for problem in problems {
        print(&format!("{name}: {problem}"))?;
    }
    Ok(())
}

fn digest(path: &Path) -> io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let (mut hash, mut size) = (Sha256::new(), 0);
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((size, hex::encode(hash.finalize()))),
            count => {
                hash.update(&buffer[..count]);
                size += count as u64;
            }
        }
    }
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).context(format!("cannot read {}", shown(path)))
}

fn name(path: &Path) -> &str {
    path.file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default()
}

fn shown(path: &Path) -> String {
    printable(&path.display().to_string())
}
