//! The cap on downloads of one file at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use exports_domain::ExportId;

/// Downloads of one file at a time, in this process. A download that is cut into many ranges needs far fewer.
pub(crate) const MAX_READERS: usize = 64;

/// The running downloads, by export.
#[derive(Debug, Default)]
pub(crate) struct FileReaders(Mutex<HashMap<ExportId, usize>>);

impl FileReaders {
    /// Counts a download until the guard is dropped; `None` if there are too many already.
    pub(crate) fn enter(self: &Arc<Self>, id: ExportId) -> Option<FileReader> {
        let mut readers = self.lock();
        let count = readers.entry(id).or_default();
        if *count >= MAX_READERS {
            return None;
        }
        *count += 1;
        Some(FileReader {
            all: Arc::clone(self),
            id,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ExportId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One running download.
#[derive(Debug)]
pub(crate) struct FileReader {
    all: Arc<FileReaders>,
    id: ExportId,
}

impl Drop for FileReader {
    fn drop(&mut self) {
        let mut readers = self.all.lock();
        if let Some(count) = readers.get_mut(&self.id) {
            *count -= 1;
            if *count == 0 {
                readers.remove(&self.id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_has_its_own_number_of_readers() {
        let readers = Arc::new(FileReaders::default());
        let (one, other) = (ExportId::generate(), ExportId::generate());
        let mut open: Vec<_> = (0..MAX_READERS)
            .map(|_| readers.enter(one).unwrap())
            .collect();
        assert!(readers.enter(one).is_none());
        assert!(readers.enter(other).is_some());
        open.pop();
        assert!(readers.enter(one).is_some());
        open.clear();
        assert!(readers.lock().is_empty());
    }
}
