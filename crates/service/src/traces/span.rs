//! One span. The drop ends it.

use exports_domain::TraceParent;
use opentelemetry::trace::{Span as _, SpanKind, Status};
use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::trace::Span as SdkSpan;

/// What a span is, for the programs that show traces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Answers a request.
    Server,
    /// Sends a request to a program that is not a part of the service, such as a webhook.
    Client,
    /// Does work that a request has put into the queue.
    Consumer,
    /// A step of one of the others.
    Internal,
}

impl From<Kind> for SpanKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Server => Self::Server,
            Kind::Client => Self::Client,
            Kind::Consumer => Self::Consumer,
            Kind::Internal => Self::Internal,
        }
    }
}

/// A span, or only a position in a trace if tracing is off.
#[derive(Debug, Default)]
pub struct Span {
    position: Option<TraceParent>,
    recording: Option<SdkSpan>,
}

impl Span {
    pub(super) fn passing(parent: Option<TraceParent>) -> Self {
        Self {
            position: parent,
            recording: None,
        }
    }

    pub(super) fn recording(span: SdkSpan) -> Self {
        let context = span.span_context();
        Self {
            position: context.is_valid().then(|| TraceParent {
                trace_id: u128::from_be_bytes(context.trace_id().to_bytes()),
                span_id: u64::from_be_bytes(context.span_id().to_bytes()),
                is_sampled: context.is_sampled(),
            }),
            recording: Some(span),
        }
    }

    /// The position in the trace: the parent of spans below this one, and the `traceparent` of requests that it
    /// sends. `None` if there is no trace.
    #[must_use]
    pub fn position(&self) -> Option<TraceParent> {
        self.position
    }

    /// The id of the trace, as it is in logs and headers.
    #[must_use]
    pub fn trace_id(&self) -> Option<String> {
        let position = self.position?;
        Some(format!("{:032x}", position.trace_id))
    }

    /// Sets an attribute.
    pub fn set(&mut self, name: &'static str, value: impl Into<Value>) {
        if let Some(span) = &mut self.recording {
            span.set_attribute(KeyValue::new(name, value));
        }
    }

    /// Like [`Self::set`], for a text that is made only if the span is recorded.
    pub fn set_text(&mut self, name: &'static str, text: impl FnOnce() -> String) {
        if self.recording.is_some() {
            self.set(name, text());
        }
    }

    /// Sets another name.
    pub fn rename(&mut self, name: impl FnOnce() -> String) {
        if let Some(span) = &mut self.recording {
            span.update_name(name());
        }
    }

    /// Marks the span as failed.
    pub fn fail(&mut self, reason: impl FnOnce() -> String) {
        if let Some(span) = &mut self.recording {
            span.set_status(Status::error(reason()));
        }
    }
}
