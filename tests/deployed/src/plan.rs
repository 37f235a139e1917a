//! The options of a deployment.

/// By default one worker with default settings.
#[derive(Debug, Clone)]
pub struct Plan {
    pub(crate) workers: usize,
    pub(crate) worker_environment: Vec<(String, String)>,
    pub(crate) store_with_faults: bool,
    pub(crate) store_disk_bytes: Option<i64>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            workers: 1,
            worker_environment: Vec::new(),
            store_with_faults: false,
            store_disk_bytes: None,
        }
    }
}

impl Plan {
    /// No worker at the start; the test adds them.
    #[must_use]
    pub fn without_workers() -> Self {
        Self {
            workers: 0,
            ..Self::default()
        }
    }

    /// A variable for every worker.
    #[must_use]
    pub fn worker_env(mut self, name: &str, value: &str) -> Self {
        self.worker_environment
            .push((name.to_owned(), value.to_owned()));
        self
    }

    /// The store is a server in the test's process, with fault injection:
    /// [`Deployment::faulty_store`](crate::Deployment::faulty_store).
    #[must_use]
    pub fn store_with_faults(mut self) -> Self {
        self.store_with_faults = true;
        self
    }

    /// The size of the store's disk, in bytes.
    #[must_use]
    pub fn store_disk(mut self, bytes: u32) -> Self {
        self.store_disk_bytes = Some(bytes.into());
        self
    }
}
