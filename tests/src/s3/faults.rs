//! Faults for the requests of an S3 server, and counters of the requests. The server applies the faults.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::Request;
use axum::http::Method;
use tokio::sync::watch;

/// The kind of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are those of the operations")]
pub enum Kind {
    Put,
    CreateUpload,
    PutPart,
    CompleteUpload,
    AbortUpload,
    Head,
    Get,
    Delete,
    List,
}

/// A request, for the test to select.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Its kind.
    pub kind: Kind,
    /// The object's key; empty for [`Kind::List`].
    pub key: String,
}

impl Seen {
    pub(super) fn of(request: &Request) -> Self {
        let key = request.uri().path().trim_start_matches('/');
        let key = key.split_once('/').map_or("", |(_, key)| key).to_owned();
        let has = |name| query(request, name).is_some();
        let kind = match *request.method() {
            Method::POST if has("uploads") => Kind::CreateUpload,
            Method::POST if has("uploadId") => Kind::CompleteUpload,
            Method::DELETE if has("uploadId") => Kind::AbortUpload,
            Method::POST | Method::DELETE => Kind::Delete,
            Method::PUT if has("partNumber") => Kind::PutPart,
            Method::PUT => Kind::Put,
            Method::HEAD => Kind::Head,
            _ if key.is_empty() => Kind::List,
            _ => Kind::Get,
        };
        Self { kind, key }
    }
}

pub(super) fn query<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    let pairs = request.uri().query()?.split('&');
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .find_map(|(found, value)| (found == name).then_some(value))
}

/// What happens to a request.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// It gets this status and has no effect.
    Answer(u16),
    /// It is served after this delay.
    Delay(Duration),
    /// The last byte of its body is changed.
    Corrupt,
    /// It is served after the drop of the fault.
    Hold,
    /// It is served, and the response is sent after the drop of the fault.
    HoldAnswer,
    /// It is served, but the body of the response is cut after this many bytes.
    Cut(usize),
    /// The first is served, but its response is replaced by a 502; later ones are served.
    LoseAnswer,
    /// It gets this response and has no effect.
    Reply(Reply),
    /// It is redirected with this status to the same path at another address.
    Redirect(u16, &'static str),
    /// It is served, and the response has no `ETag`.
    WithoutEtag,
    /// It is served, and the connection is closed before the body of the response.
    BreakOff,
}

/// A response of a store.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reply {
    /// Its status. A success has an error in its body.
    pub status: u16,
    /// The error's code; without it the body is empty.
    pub code: &'static str,
    /// Further elements of the body.
    pub elements: &'static str,
    /// Further headers.
    pub headers: &'static [(&'static str, &'static str)],
}

/// An active fault. The drop ends it and releases held requests.
#[derive(Debug)]
pub struct Injected {
    faults: Faults,
    rule: Arc<Rule>,
}

impl Injected {
    /// The number of requests that it has affected.
    #[must_use]
    pub fn hits(&self) -> usize {
        *self.rule.hits.borrow()
    }

    /// Waits until it has affected this many requests.
    pub async fn reached(&self, hits: usize) {
        let mut changes = self.rule.hits.subscribe();
        let reached = changes.wait_for(|met| *met >= hits).await;
        reached.expect("the rule has the sender");
    }
}

impl Drop for Injected {
    fn drop(&mut self) {
        self.faults
            .lock()
            .rules
            .retain(|rule| !Arc::ptr_eq(rule, &self.rule));
        self.rule.released.send_replace(true);
    }
}

pub(super) struct Rule {
    when: Box<dyn Fn(&Seen) -> bool + Send + Sync>,
    pub(super) fault: Fault,
    hits: watch::Sender<usize>,
    released: watch::Sender<bool>,
}

impl Rule {
    /// Waits until the fault is dropped.
    pub(super) async fn dropped(&self) {
        let mut released = self.released.subscribe();
        let released = released.wait_for(|released| *released).await;
        debug_assert!(released.is_ok(), "the rule has the sender");
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule")
            .field("fault", &self.fault)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct Faults(Arc<Mutex<Switchboard>>);

#[derive(Debug, Default)]
struct Switchboard {
    rules: Vec<Arc<Rule>>,
    seen: Vec<Seen>,
    /// Per kind, the requests whose response is not complete yet, and the most of them at a time.
    at_once: HashMap<Kind, (usize, usize)>,
    /// Held by each response of a read until it is sent; counts the bytes.
    under_way: Arc<AtomicU64>,
}

/// A request that is being served.
pub(super) struct Serving {
    faults: Faults,
    kind: Kind,
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some((now, _)) = self.faults.lock().at_once.get_mut(&self.kind) {
            *now -= 1;
        }
    }
}

impl Faults {
    pub(super) fn inject(
        &self,
        when: impl Fn(&Seen) -> bool + Send + Sync + 'static,
        fault: Fault,
    ) -> Injected {
        let rule = Arc::new(Rule {
            when: Box::new(when),
            fault,
            hits: watch::Sender::new(0),
            released: watch::Sender::new(false),
        });
        self.lock().rules.push(Arc::clone(&rule));
        Injected {
            faults: self.clone(),
            rule,
        }
    }

    pub(super) fn count(&self, kind: Kind) -> usize {
        let board = self.lock();
        board.seen.iter().filter(|seen| seen.kind == kind).count()
    }

    /// Counts a request as being served until the drop.
    pub(super) fn serving(&self, kind: Kind) -> Serving {
        let mut board = self.lock();
        let (now, most) = board.at_once.entry(kind).or_default();
        *now += 1;
        *most = (*most).max(*now);
        Serving {
            faults: self.clone(),
            kind,
        }
    }

    pub(super) fn most_at_once(&self, kind: Kind) -> usize {
        self.lock().at_once.get(&kind).map_or(0, |(_, most)| *most)
    }

    /// Hold this until a response is sent.
    pub(super) fn under_way(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.lock().under_way)
    }

    pub(super) fn bytes_sent(&self) -> u64 {
        self.lock().under_way.load(Ordering::Relaxed)
    }

    pub(super) fn count_under_way(&self) -> usize {
        Arc::strong_count(&self.lock().under_way) - 1
    }

    fn lock(&self) -> MutexGuard<'_, Switchboard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts the request, and returns its fault and the number of requests that the fault has affected.
    pub(super) fn meet(&self, seen: Seen) -> Option<(Arc<Rule>, usize)> {
        let mut board = self.lock();
        let rule = board.rules.iter().find(|rule| (rule.when)(&seen)).cloned();
        board.seen.push(seen);
        let rule = rule?;
        rule.hits.send_modify(|hits| *hits += 1);
        let hits = *rule.hits.borrow();
        Some((rule, hits))
    }
}
