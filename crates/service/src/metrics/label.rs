//! Metrics with one label, all of whose values are known in advance.

use std::borrow::Cow;
use std::marker::PhantomData;

use exports_domain::{FailureCode, LimitName};
use prometheus::core::{MetricVec, MetricVecBuilder};
use prometheus::{GaugeVec, HistogramVec, IntCounterVec};
use strum::VariantArray;

/// An enum whose variants are the values of a label.
///
/// Counters and histograms have every value from the start: `increase` does not see the first event
/// of a series that starts with it.
pub trait Label: Copy + Into<&'static str> + VariantArray {
    /// The name of the label.
    const NAME: &'static str;

    /// The value as text, in snake case.
    fn value(self) -> Cow<'static, str> {
        Cow::Borrowed(self.into())
    }
}

impl Label for FailureCode {
    const NAME: &'static str = "cause";

    fn value(self) -> Cow<'static, str> {
        self.as_str().to_ascii_lowercase().into()
    }
}

impl Label for LimitName {
    const NAME: &'static str = "limit";
}

/// A metric for each value of a label.
#[derive(Debug)]
pub struct Labeled<F, L> {
    family: F,
    label: PhantomData<fn(L)>,
}

impl<F: Clone, L> Clone for Labeled<F, L> {
    fn clone(&self) -> Self {
        let (family, label) = (self.family.clone(), PhantomData);
        Self { family, label }
    }
}

/// A counter for each value of a label.
pub type Counters<L> = Labeled<IntCounterVec, L>;
/// A gauge for each value of a label.
pub type Gauges<L> = Labeled<GaugeVec, L>;
/// A histogram for each value of a label.
pub type Histograms<L> = Labeled<HistogramVec, L>;

impl<B: MetricVecBuilder, L: Label> Labeled<MetricVec<B>, L> {
    /// Each series exists once it is used.
    pub(crate) fn new(family: MetricVec<B>) -> Self {
        let label = PhantomData;
        Self { family, label }
    }

    /// All series exist from the start.
    pub(crate) fn with_all_series(family: MetricVec<B>) -> Self {
        let metric = Self::new(family);
        for label in L::VARIANTS {
            metric.series(*label);
        }
        metric
    }

    fn series(&self, label: L) -> B::M {
        self.family.with_label_values(&[label.value()])
    }
}

impl<L: Label> Counters<L> {
    /// Adds 1.
    pub fn inc(&self, label: L) {
        self.inc_by(label, 1);
    }

    /// Adds `count`.
    pub fn inc_by(&self, label: L, count: u64) {
        self.series(label).inc_by(count);
    }
}

impl<L: Label> Gauges<L> {
    /// Sets the gauge of a label value.
    pub fn set(&self, label: L, value: f64) {
        self.series(label).set(value);
    }

    /// Removes all series until they are set again: a missing value is better than an outdated one.
    pub fn clear(&self) {
        self.family.reset();
    }
}

impl<L: Label> Histograms<L> {
    /// Adds an observation.
    pub fn observe(&self, label: L, value: f64) {
        self.series(label).observe(value);
    }
}
