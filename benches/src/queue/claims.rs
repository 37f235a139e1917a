//! The duration of a claim: with an idle queue, and during a long export, whose snapshot is held while some hundred thousand other
//! exports go through the queue.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use exports_database::{ClaimRequest, FinishedFile, Leased, QueueHints};
use exports_postgres::PoolPurpose;
use sqlx::{Connection, PgConnection};

use super::seed;
use crate::fixture::{Database, Fixture};
use crate::samples::Samples;
use crate::table::{Limit, Row, Table};

/// The interval of a worker.
const SURVEY_EVERY: Duration = Duration::from_secs(5);
/// This benchmark finishes thousands of exports per second, which does not happen in production. The pause lets the last of them
/// age before the measurement.
const REST: Duration = Duration::from_secs(12);
const CLAIMS: usize = 1_000;

/// `arrive` queues exports. `go_through` applies the updates of create, claim and completion to the rows, a hundred rows at a time.
const PROCEDURES: &str = r"
    CREATE PROCEDURE arrive(total int) LANGUAGE sql AS $$
        INSERT INTO exports (id, project_id, created_at, due_at, status, direction,
                             filter_start_time, filter_end_time)
        SELECT gen_random_uuid(), 'proj_' || n % 10, at, at, 'pending',
               'outbound', '2025-12-01', '2025-12-02'
        FROM (SELECT n, clock_timestamp() AS at FROM generate_series(1, total) n) new
    $$;
    CREATE PROCEDURE go_through(total int) LANGUAGE plpgsql AS $$
    DECLARE mine uuid[];
    BEGIN
        FOR _ IN 1 .. total / 100 LOOP
            WITH new AS (
                INSERT INTO exports (id, project_id, created_at, due_at, status, direction,
                                     filter_start_time, filter_end_time)
                SELECT gen_random_uuid(), 'proj_' || n % 10, at, at, 'pending', 'outbound',
                       '2025-12-01', '2025-12-02'
                FROM (SELECT n, clock_timestamp() AS at FROM generate_series(1, 100) n) new
                RETURNING id)
            SELECT array_agg(id) INTO mine FROM new;
            COMMIT;
            WITH claimed AS (
                UPDATE exports SET status = 'processing', attempt = attempt + 1,
                    started_at = clock_timestamp(), lease_token = gen_random_uuid(), lease_owner = 'bench',
                    lease_expires_at = clock_timestamp() + interval '30 s'
                WHERE id = ANY (mine) RETURNING id, lease_token)
            INSERT INTO export_objects (key, export_id, state)
            SELECT id || '/' || lease_token, id, 'writing' FROM claimed;
            COMMIT;
            WITH done AS (
                UPDATE exports SET status = 'completed', lease_expires_at = NULL, lease_owner = NULL,
                    object_key = id || '/' || lease_token, row_count = 100, file_size_bytes = 10000,
                    sha256 = sha256('file'), completed_at = clock_timestamp(),
                    expires_at = clock_timestamp() + interval '7 days'
                WHERE id = ANY (mine) RETURNING object_key)
            UPDATE export_objects SET state = 'kept' WHERE key IN (SELECT object_key FROM done);
            COMMIT;
        END LOOP;
    END $$";

pub(super) async fn run(fixture: &Fixture, table: &mut Table) -> Result<()> {
    let database = fixture.database().await?;
    seed(&database).await?;
    database.sql(PROCEDURES).await?;
    let mut queue = Queue::open(&database).await?;
    let (claims, completions) = queue.measure(&database).await?;
    table.add(row(
        "claim p99 in ms, no held snapshot",
        &claims,
        &completions,
    ));

    let mut long_export = PgConnection::connect(database.url()).await?;
    for statement in [
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        "SELECT FROM messages LIMIT 1",
    ] {
        sqlx::raw_sql(statement).execute(&mut long_export).await?;
    }
    let finished = fixture.scaled(200_000);
    queue.finish(&database, finished).await?;
    tokio::time::sleep(REST).await;
    queue.queue_hints().await?;
    let (claims, completions) = queue.measure(&database).await?;
    let what = format!("claim p99 in ms, {finished} exports finished under one held snapshot");
    table.add(row(&what, &claims, &completions));

    let begun = Instant::now();
    queue.storage.queue_hints(&QueueHints::default()).await?;
    let what = "the same, full scan for queue hints (at a worker's start, then once a minute)";
    let millis = 1000.0 * begun.elapsed().as_secs_f64();
    table.add(Row::new(6, what, format!("{millis:.0} ms")));
    long_export.close().await?;
    queue.storage.close().await;
    fixture.drop_database(database).await
}

fn row(what: &str, claims: &Samples, completions: &Samples) -> Row {
    let millis = |samples: &Samples, percent| 1000.0 * samples.percentile(percent);
    let p99 = millis(claims, 99);
    let ours = format!(
        "{p99:.1} ms (p50 {:.1} ms; complete p99 {:.1} ms)",
        millis(claims, 50),
        millis(completions, 99),
    );
    Row::new(6, what, ours).held_to(p99, Limit::AtMost(50.0))
}

/// The queue, as a worker uses it.
struct Queue {
    storage: exports_database::Database,
    known: Arc<QueueHints>,
    surveyed_at: Instant,
}

impl Queue {
    async fn open(database: &Database) -> Result<Self> {
        let purpose = PoolPurpose::Worker { concurrency: 2 };
        let storage = exports_database::Database::new(database.url(), purpose)?;
        let known = Arc::new(storage.queue_hints(&QueueHints::default()).await?);
        Ok(Self {
            storage,
            known,
            surveyed_at: Instant::now(),
        })
    }

    async fn queue_hints(&mut self) -> Result<()> {
        self.known = Arc::new(self.storage.queue_hints(&self.known).await?);
        self.surveyed_at = Instant::now();
        Ok(())
    }

    /// Claims and completes one export after the other. The queue contains as many more.
    async fn measure(&mut self, database: &Database) -> Result<(Samples, Samples)> {
        database.sql(format!("CALL arrive({})", 2 * CLAIMS)).await?;
        let (mut claims, mut completions) = (Samples::default(), Samples::default());
        for _ in 0..CLAIMS {
            if self.surveyed_at.elapsed() >= SURVEY_EVERY {
                self.queue_hints().await?;
            }
            let begun = Instant::now();
            let claim = self.storage.claim(&self.request()).await?.pop();
            claims.add_time(begun.elapsed());
            let claim = claim.context("no export could be claimed")?;
            let begun = Instant::now();
            let completed = self
                .storage
                .complete(claim.lease, &claim.object_key, &facts())
                .await?;
            completions.add_time(begun.elapsed());
            anyhow::ensure!(completed != Leased::Lost, "a lease was lost");
        }
        // Later exports are claimed after the remaining ones, by due time, so the remaining ones are deleted.
        let behind = "DELETE FROM exports WHERE status = 'pending'";
        database.sql(behind).await?;
        Ok((claims, completions))
    }

    /// Sends this many exports through the queue, and refreshes the queue hints like a worker.
    async fn finish(&mut self, database: &Database, count: u64) -> Result<()> {
        let finishing = database.sql(format!("CALL go_through({count})"));
        tokio::pin!(finishing);
        loop {
            tokio::select! {
                finished = &mut finishing => return finished,
                () = tokio::time::sleep(SURVEY_EVERY) => self.queue_hints().await?,
            }
        }
    }

    fn request(&self) -> ClaimRequest<'static> {
        ClaimRequest {
            owner: "bench",
            limit: 1,
            lease: Duration::from_mins(5),
            max_attempts: 8,
            hints: self.known.clone(),
            last_slot_reserved: false,
            borrowers: Vec::new(),
        }
    }
}

fn facts() -> FinishedFile {
    FinishedFile {
        row_count: 100,
        size_bytes: 10_000,
        sha256: [0xab; 32],
        files: None,
        snapshot_at: None,
        ttl: Duration::from_hours(24),
    }
}
