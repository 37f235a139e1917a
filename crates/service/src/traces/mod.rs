//! Distributed traces, sent to a collector with OTLP over HTTP. Off unless a standard variable of OpenTelemetry
//! names a collector.
//!
//! A program makes one [`Tracer`] at its start and asks it for spans. A [`Span`] knows its position in the trace
//! also if tracing is off: that is then the position of its parent. So a trace that a client begins passes
//! through, and its id is in the log, without a collector.
//!
//! The trace of an export begins with the request that creates it. The row of the export keeps the position of
//! that request (`exports.traceparent`), and everything that happens to the export later is a span below it.
//! The attempts of the workers are spans of [`Kind::Consumer`]. A request that tells somebody else about the
//! export is one of [`Kind::Client`], and its header `traceparent` is the [`Span::position`] of that span.
//!
//! Spans are explicit, and no layer of `tracing`: the levels of the log do not decide about traces, log lines have
//! no fields of traces except the id, and while tracing is off, nothing is added to what is logged.

mod collector;
mod settings;
mod span;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use exports_domain::TraceParent;
use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, Tracer as _,
    TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

use crate::start::StartError;
use collector::Collector;
use settings::Settings;
pub use span::{Kind, Span};

/// How long a program that exits waits for the collector.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// Makes spans. Clones share everything.
#[derive(Debug, Clone, Default)]
pub struct Tracer(Option<Arc<Exporting>>);

#[derive(Debug)]
struct Exporting {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

impl Tracer {
    /// A tracer as the variables of OpenTelemetry say: off, unless they name a collector. Needs a runtime, which
    /// sends the spans.
    pub fn from_environment(
        service: &'static str,
        version: &'static str,
    ) -> Result<Self, StartError> {
        let variable = |name: &str| std::env::var(name).ok();
        let Some(settings) = Settings::read(&variable)? else {
            return Ok(Self::default());
        };
        let collector = Collector::new(settings.timeout)
            .map_err(|error| StartError::new(settings.endpoint.variable, &error.to_string()))?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(collector)
            .with_endpoint(settings.endpoint.url)
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(settings.timeout)
            .build()
            .map_err(|error| StartError::new(settings.endpoint.variable, &error.to_string()))?;
        let mut resource =
            Resource::builder().with_attribute(KeyValue::new("service.version", version));
        if !settings.has_service_name {
            resource = resource.with_service_name(service);
        }
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(settings.sampler)
            .with_resource(resource.build())
            .build();
        let tracer = provider.tracer(service);
        Ok(Self(Some(Arc::new(Exporting { provider, tracer }))))
    }

    /// Begins a span below a position that another program, or a row of the database, has given. Without one it
    /// begins a trace.
    #[must_use]
    pub fn span(&self, name: &'static str, kind: Kind, parent: Option<TraceParent>) -> Span {
        self.span_since(name, kind, parent, Duration::ZERO)
    }

    /// Like [`Self::span`], for a span that began some time ago.
    #[must_use]
    pub fn span_since(
        &self,
        name: &'static str,
        kind: Kind,
        parent: Option<TraceParent>,
        age: Duration,
    ) -> Span {
        self.begin(name, kind, parent.map(|parent| context(parent, true)), age)
            .unwrap_or_else(|| Span::passing(parent))
    }

    /// Begins a step of a span of this program.
    #[must_use]
    pub fn step(&self, name: &'static str, parent: &Span) -> Span {
        self.step_since(name, parent, Duration::ZERO)
    }

    /// Like [`Self::step`], for a step that began some time ago.
    #[must_use]
    pub fn step_since(&self, name: &'static str, parent: &Span, age: Duration) -> Span {
        let position = parent.position();
        let context = position.map(|position| context(position, false));
        self.begin(name, Kind::Internal, context, age)
            .unwrap_or_else(|| Span::passing(position))
    }

    /// `None` if tracing is off.
    fn begin(
        &self,
        name: &'static str,
        kind: Kind,
        parent: Option<SpanContext>,
        age: Duration,
    ) -> Option<Span> {
        let Exporting { tracer, .. } = &**self.0.as_ref()?;
        let mut builder = tracer.span_builder(name).with_kind(kind.into());
        if !age.is_zero() {
            builder.start_time = SystemTime::now().checked_sub(age);
        }
        // Never the context of the thread: a task may continue on another one.
        let mut context = Context::new();
        if let Some(parent) = parent {
            context = context.with_remote_span_context(parent);
        }
        Some(Span::recording(
            builder.start_with_context(tracer, &context),
        ))
    }

    /// Sends the spans that have ended, for at most two seconds. Spans that end later are lost.
    pub async fn shutdown(&self) {
        let Some(exporting) = self.0.clone() else {
            return;
        };
        // It blocks its thread, and the runtime sends the spans.
        let flushed = tokio::task::spawn_blocking(move || {
            exporting.provider.shutdown_with_timeout(FLUSH_TIMEOUT)
        });
        if let Ok(Err(error)) = flushed.await {
            tracing::debug!(%error, "the last spans could not be sent");
        }
    }
}

fn context(position: TraceParent, is_remote: bool) -> SpanContext {
    SpanContext::new(
        TraceId::from(position.trace_id),
        SpanId::from(position.span_id),
        TraceFlags::default().with_sampled(position.is_sampled),
        is_remote,
        TraceState::default(),
    )
}

#[cfg(test)]
mod tests;
