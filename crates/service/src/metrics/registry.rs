//! Creates the metrics of a process and renders them as text.

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{
    GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    TextEncoder,
};

use crate::logging::log_lines_lost;
use crate::metrics::label::{Counters, Gauges, Histograms, Label};

/// Names, help texts and labels are constants, and every start registers all of them.
const CONSTANT: &str = "the name of a metric is valid and used once";

/// All metrics of a process.
#[derive(Debug, Clone)]
pub struct Registry(prometheus::Registry);

impl Registry {
    /// A registry with `exports_build_info`, `exports_log_lines_lost_total` and, on Linux, the metrics of the process
    /// (`process_resident_memory_bytes` and others).
    #[must_use]
    pub fn new(program: &str, version: &str) -> Self {
        let registry = Self(prometheus::Registry::new());
        let build = registry.register(IntGaugeVec::new(
            Opts::new(
                "exports_build_info",
                "Program and version as labels; always 1.",
            ),
            &["program", "version"],
        ));
        build.with_label_values(&[program, version]).set(1);
        registry.counter_of(
            "exports_log_lines_lost_total",
            "Log lines that were lost: standard error could not be written, or nobody read it in time.",
            log_lines_lost,
        );
        #[cfg(target_os = "linux")]
        registry.add(Box::new(
            prometheus::process_collector::ProcessCollector::for_self(),
        ));
        registry
    }

    /// Registers a counter.
    #[must_use]
    pub fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.register(IntCounter::new(name, help))
    }

    /// Registers a counter whose value each scrape reads from a function.
    pub fn counter_of(&self, name: &str, help: &str, value: fn() -> u64) {
        let counter = IntCounter::new(name, help).expect(CONSTANT);
        self.add(Box::new(CounterOf { counter, value }));
    }

    /// Registers a counter for each value of a label.
    #[must_use]
    pub fn counters<L: Label>(&self, name: &str, help: &str) -> Counters<L> {
        Counters::with_all_series(
            self.register(IntCounterVec::new(Opts::new(name, help), &[L::NAME])),
        )
    }

    /// Registers a gauge.
    #[must_use]
    pub fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.register(IntGauge::new(name, help))
    }

    /// Registers a gauge for each value of a label. A series exists once it is set.
    #[must_use]
    pub fn gauges<L: Label>(&self, name: &str, help: &str) -> Gauges<L> {
        Gauges::new(self.register(GaugeVec::new(Opts::new(name, help), &[L::NAME])))
    }

    /// Registers a histogram with these bucket bounds for each value of a label.
    #[must_use]
    pub fn histograms<L: Label>(&self, name: &str, help: &str, bounds: &[f64]) -> Histograms<L> {
        Histograms::with_all_series(self.histogram_family(name, help, &[L::NAME], bounds))
    }

    /// Registers a histogram with several labels. A series exists once it has an observation. The caller
    /// ensures that the number of combinations is small.
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

    /// The current values in the Prometheus text format 0.0.4.
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
