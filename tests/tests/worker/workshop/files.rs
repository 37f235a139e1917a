//! What lies in a workshop's store: reading it, and waiting until it is what it should be.

use std::time::{Duration, Instant};

use bytes::Bytes;
use exports_domain::ExportId;
use exports_objects::{Store, StoreConfig};
use exports_tests::s3::Kind;
use exports_tests::{TIMEOUT, eventually, http_client};
use futures_util::TryStreamExt;
use sha2::{Digest, Sha256};

use super::Workshop;

impl Workshop {
    /// Waits for the export's file and reads it from the store; it is what the export says of it.
    pub(crate) async fn file(&self, id: ExportId) -> Bytes {
        let facts = self.completed(id).await;
        let bytes = self.read(&self.object_key(id).await).await;
        assert_eq!(facts.size_bytes, bytes.len() as u64);
        assert_eq!(facts.sha256, <[u8; 32]>::from(Sha256::digest(&bytes)));
        let mut reader = csv::Reader::from_reader(&bytes[..]);
        assert_eq!(facts.row_count, reader.byte_records().count() as u64);
        bytes
    }

    /// The key of a completed export's file.
    pub(crate) async fn object_key(&self, id: ExportId) -> String {
        let key = self.database.export_column(id.0, "object_key").await;
        key.as_str().expect("the export has a file").to_owned()
    }

    /// The store, by the code under test.
    pub(crate) fn open_store(&self) -> Store {
        let url = self
            .environment
            .iter()
            .find(|(name, _)| name == "EXPORTS_OBJECT_STORE_URL");
        let config = StoreConfig {
            url: url.expect("every store has a URL").1.clone(),
            public_endpoint: None,
        };
        Store::open_with(&config, self.environment.clone()).expect("the store opens")
    }

    async fn read(&self, key: &str) -> Bytes {
        let store = self.open_store();
        let link = store.sign(key, Duration::from_mins(1)).await;
        if let Some(link) = link.expect("a link") {
            let answer = http_client().get(link).send().await.expect("an answer");
            assert_eq!(answer.status().as_u16(), 200, "{key}");
            return answer.bytes().await.expect("the whole file");
        }
        let found = store.read(key, None).await.expect("the file");
        let bytes: Vec<Bytes> = found.bytes.try_collect().await.expect("its bytes");
        bytes.concat().into()
    }

    /// Everything that lies in the store, empty folders included.
    pub(crate) fn listing(&self) -> Vec<String> {
        self.store.listing()
    }

    /// Waits until the first part of a file is on its way into the store: an upload is begun and recorded, or a
    /// file is begun.
    pub(crate) async fn first_part_is_stored(&self) {
        eventually("a file has begun", TIMEOUT, async || {
            let begun = match self.store.s3() {
                Some(server) => server.count(Kind::PutPart) > 0,
                None => !self.listing().is_empty(),
            };
            begun.then_some(())
        })
        .await;
    }

    /// Waits until nothing lies in the store.
    pub(crate) async fn holds_nothing(&self) {
        self.holds_only(&[]).await;
    }

    /// Waits until the files of these exports lie in the store and nothing else.
    pub(crate) async fn holds_only(&self, ids: &[ExportId]) {
        let mut keys = Vec::new();
        for id in ids {
            keys.push(self.object_key(*id).await);
        }
        keys.sort();
        let begun = Instant::now();
        while self.listing() != keys {
            assert!(
                begun.elapsed() < TIMEOUT,
                "the store holds {:?}, not {keys:?}",
                self.listing()
            );
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }

    /// Waits until a janitor has gone through everything that has to go now.
    pub(crate) async fn sweep(&self) {
        self.database
            .execute(
                "INSERT INTO export_objects (key, export_id, state, sweep_at, sweeps_left)
                 VALUES ('canary', gen_random_uuid(), 'doomed', 'infinity', 1);
                 UPDATE export_objects SET sweep_at = clock_timestamp() WHERE state = 'doomed'",
            )
            .await;
        eventually("a janitor has swept", TIMEOUT, async || {
            let count = "SELECT count(*) FROM export_objects WHERE key = 'canary'";
            (self.database.value(count).await == 0).then_some(())
        })
        .await;
    }
}
