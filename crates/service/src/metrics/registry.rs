//! All metrics of a process, and their text.

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{
    GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    TextEncoder,
};

use crate::metrics::label::{Counters, Gauges, Histograms, Label};

/// Names, help texts and labels are constants of the programs, and every start registers all.
const CONSTANT: &str = "a metric's name is valid and used once";

/// All metrics of a process.
#[derive(Debug, Clone)]
pub struct Registry(prometheus::Registry);

impl Registry {
    /// With `exports_build_info`, and on Linux with what the system knows of the process
    /// (`process_resident_memory_bytes` and others).
    #[must_use]
    pub fn new(program: &str, version: &str) -> Self {
        let registry = Self(prometheus::Registry::new());
        let build = registry.register(IntGaugeVec::new(
            Opts::new(
                "exports_build_info",
                "The program and its version; always 1.",
            ),
            &["program", "version"],
        ));
        build.with_label_values(&[program, version]).set(1);
        #[cfg(target_os = "linux")]
        registry.add(Box::new(
            prometheus::process_collector::ProcessCollector::for_self(),
        ));
        registry
    }

    /// A counter, at 0.
    #[must_use]
    pub fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.register(IntCounter::new(name, help))
    }

    /// A counter whose value is kept elsewhere and is asked for by each scrape.
    pub fn counter_of(&self, name: &str, help: &str, value: fn() -> u64) {
        let counter = IntCounter::new(name, help).expect(CONSTANT);
        self.add(Box::new(CounterOf { counter, value }));
    }

    /// A counter for each value of a label, at 0.
    #[must_use]
    pub fn counters<L: Label>(&self, name: &str, help: &str) -> Counters<L> {
        Counters::new(self.register(IntCounterVec::new(Opts::new(name, help), &[L::NAME])))
    }

    /// A gauge, at 0.
    #[must_use]
    pub fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.register(IntGauge::new(name, help))
    }

    /// A gauge for each value of a label; each appears when it is first set.
    #[must_use]
    pub fn gauges<L: Label>(&self, name: &str, help: &str) -> Gauges<L> {
        Gauges::new(self.register(GaugeVec::new(Opts::new(name, help), &[L::NAME])))
    }

    /// A histogram for each value of a label, with buckets up to these bounds.
    #[must_use]
    pub fn histograms<L: Label>(&self, name: &str, help: &str, bounds: &[f64]) -> Histograms<L> {
        Histograms::new(self.histogram_family(name, help, &[L::NAME], bounds))
    }

    /// A histogram for each combination of several labels; each appears with its first
    /// observation. It is the caller's to keep the combinations few.
    #[must_use]
    pub fn histogram_family(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        bounds: &[f64],
    ) -> HistogramVec {
        let options = HistogramOpts::new(name, help).buckets(bounds.to_vec());
        self.register(HistogramVec::new(options, labels))
    }

    /// Everything as it is now, in Prometheus' text format 0.0.4.
    pub(crate) fn text(&self) -> prometheus::Result<String> {
        TextEncoder::new().encode_to_string(&self.0.gather())
    }

    fn register<C: Collector + Clone + 'static>(&self, metric: prometheus::Result<C>) -> C {
        let metric = metric.expect(CONSTANT);
        self.add(Box::new(metric.clone()));
        metric
    }

    fn add(&self, collector: Box<dyn Collector>) {
        self.0.register(collector).expect(CONSTANT);
    }
}

/// See [`Registry::counter_of`].
struct CounterOf {
    counter: IntCounter,
    value: fn() -> u64,
}

impl Collector for CounterOf {
    fn desc(&self) -> Vec<&Desc> {
        self.counter.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let value = (self.value)();
        self.counter.reset();
        self.counter.inc_by(value);
        self.counter.collect()
    }
}
