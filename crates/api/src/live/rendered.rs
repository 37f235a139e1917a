//! An export as JSON and as an event. All waiters share the bytes.

use axum::body::Bytes;
use exports_domain::{Export, ExportId, ExportStatus, ProjectId};
use exports_wire::ExportJson;
use serde_json::value::{RawValue, to_raw_value};

use crate::etag;

/// An export at one moment.
#[derive(Debug)]
pub(crate) struct Rendered {
    pub(crate) id: ExportId,
    pub(crate) project: ProjectId,
    pub(crate) status: ExportStatus,
    attempt: u32,
    /// `W/"…"`
    etag: String,
    event: Bytes,
    /// The JSON is at the end of the event, before two line feeds.
    json_length: usize,
}

impl Rendered {
    pub(crate) fn of(export: &Export) -> Self {
        let json = to_raw_value(&ExportJson::from(export))
            .expect("an export has only text keys and serializable values");
        let etag = etag::weak(&json);
        let tag = opaque(&etag);
        // JSON without line breaks: one line of data is enough.
        let event = format!("event: export\nid: {tag}\ndata: {json}\n\n");
        Self {
            id: export.id,
            project: export.project.clone(),
            status: export.state.status(),
            attempt: export.attempt,
            json_length: json.get().len(),
            event: event.into(),
            etag,
        }
    }

    /// The entity tag of the JSON.
    pub(crate) fn etag(&self) -> &str {
        &self.etag
    }

    /// The id of the event, which is a part of the entity tag.
    pub(crate) fn event_id(&self) -> &str {
        opaque(&self.etag)
    }

    /// The event of an event stream.
    pub(crate) fn event(&self) -> Bytes {
        self.event.clone()
    }

    /// The JSON.
    pub(crate) fn json(&self) -> Box<RawValue> {
        let end = self.event.len() - "\n\n".len();
        let json = &self.event[end - self.json_length..end];
        serde_json::from_slice(json).expect("the event contains the JSON")
    }

    /// Whether `later` differs from it only in its progress.
    pub(crate) fn is_progress(&self, later: &Self) -> bool {
        self.digest().is_progress(&later.digest())
    }

    /// What is needed to compare it with a later state.
    pub(super) fn digest(&self) -> Digest {
        Digest {
            etag: u128::from_str_radix(self.event_id(), 16).expect("a tag has 32 hex digits"),
            status: self.status,
            attempt: self.attempt,
        }
    }
}

/// An export at one moment, without its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Digest {
    etag: u128,
    status: ExportStatus,
    attempt: u32,
}

impl Digest {
    /// Whether `later` differs from it at most in its progress.
    pub(super) fn is_progress(&self, later: &Self) -> bool {
        self.status == later.status && self.attempt == later.attempt
    }

    pub(super) fn is_terminal(&self) -> bool {
        self.status.is_terminal()
    }
}

/// The text between the quotes.
fn opaque(etag: &str) -> &str {
    etag.trim_start_matches("W/").trim_matches('"')
}

/// The event of a deleted export.
pub(crate) fn deleted_event(id: ExportId) -> Bytes {
    format!("event: deleted\ndata: {{\"id\":\"{id}\"}}\n\n").into()
}

#[cfg(test)]
pub(super) mod tests {
    use exports_domain::{Choice, Direction, ExportState, MessageFilter, Progress, TimeRange};

    use super::*;

    /// A pending export.
    pub(in crate::live) fn pending() -> Export {
        let at = |text: &str| text.parse().unwrap();
        Export {
            id: ExportId::generate(),
            project: "proj_a".parse().unwrap(),
            filter: MessageFilter {
                range: TimeRange::new(at("2025-12-01T00:00:00Z"), at("2025-12-02T00:00:00Z"))
                    .unwrap(),
                direction: Direction::Outbound,
                status: Choice::Any,
                endpoint: Choice::Any,
            },
            options: exports_domain::FileOptions::default(),
            attempt: 0,
            created_at: at("2025-12-06T12:00:00Z"),
            state: ExportState::Pending,
            label: None,
            retry_of: None,
            progress: None,
        }
    }

    #[test]
    fn the_event_and_the_json_are_the_same_bytes() {
        let mut export = pending();
        let first = Rendered::of(&export);
        let event = String::from_utf8(first.event().to_vec()).unwrap();
        let lines: Vec<_> = event.lines().collect();
        assert_eq!(lines[0], "event: export");
        assert_eq!(lines[1], format!("id: {}", first.event_id()));
        assert_eq!(lines[2], format!("data: {}", first.json()));
        assert_eq!(first.etag(), format!("W/\"{}\"", first.event_id()));
        export.progress = Some(Progress::Queued { position: 2 });
        let later = Rendered::of(&export);
        assert_ne!(first.etag(), later.etag());
        assert!(first.is_progress(&later));
    }
}
