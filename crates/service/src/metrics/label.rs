//! Metrics with one label, all of whose values are known in advance.

use std::borrow::Cow;
use std::marker::PhantomData;

use exports_domain::FailureCode;
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

/// A counter for each value of a label.
#[derive(Debug)]
pub struct Counters<L> {
    family: IntCounterVec,
    label: PhantomData<fn(L)>,
}

impl<L: Label> Counters<L> {
    pub(crate) fn new(family: IntCounterVec) -> Self {
        for label in L::VARIANTS {
            family.with_label_values(&[label.value()]);
        }
        Self {
            family,
            label: PhantomData,
        }
    }

    /// Adds 1.
    pub fn inc(&self, label: L) {
        self.inc_by(label, 1);
    }

    /// Adds `count`.
    pub fn inc_by(&self, label: L, count: u64) {
        self.family
            .with_label_values(&[label.value()])
            .inc_by(count);
    }
}

/// A gauge for each value of a label.
#[derive(Debug)]
pub struct Gauges<L> {
    family: GaugeVec,
    label: PhantomData<fn(L)>,
}

impl<L: Label> Gauges<L> {
    pub(crate) fn new(family: GaugeVec) -> Self {
        Self {
            family,
            label: PhantomData,
        }
    }

    /// Sets the gauge of a label value. The series exists from then on.
    pub fn set(&self, label: L, value: f64) {
        self.family.with_label_values(&[label.value()]).set(value);
    }

    /// Removes all series until they are set again: a missing value is better than an outdated one.
    pub fn clear(&self) {
        self.family.reset();
    }
}

/// A histogram for each value of a label.
#[derive(Debug)]
pub struct Histograms<L> {
    family: HistogramVec,
    label: PhantomData<fn(L)>,
}

impl<L: Label> Histograms<L> {
    pub(crate) fn new(family: HistogramVec) -> Self {
        for label in L::VARIANTS {
            family.with_label_values(&[label.value()]);
        }
        Self {
            family,
            label: PhantomData,
        }
    }

    /// Adds an observation.
    pub fn observe(&self, label: L, value: f64) {
        self.family
            .with_label_values(&[label.value()])
            .observe(value);
    }
}
