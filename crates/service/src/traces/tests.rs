//! Tests of a tracer that is off. `tests/tests/traces` has the tests with a collector.

use super::*;

#[test]
fn a_trace_passes_through_a_tracer_that_is_off() {
    let tracer = Tracer::default();
    let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let parent = TraceParent::parse(text);
    let mut span = tracer.span("a", Kind::Server, parent);
    span.set("b", "c");
    span.fail(|| unreachable!("nothing is recorded"));
    assert_eq!(span.position(), parent);
    let id = span.trace_id();
    assert_eq!(id.as_deref(), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
    let none = tracer.span("a", Kind::Internal, None);
    assert_eq!((none.position(), none.trace_id()), (None, None));
}
