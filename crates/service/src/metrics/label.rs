//! Metrics with one label, whose values are known beforehand.

use std::borrow::Cow;
use std::marker::PhantomData;

use prometheus::{GaugeVec, HistogramVec, IntCounterVec};

/// A label and all of its values. Every value of a counter or histogram is there from the start:
/// a series that begins at its first event hides this event from `increase`.
pub trait Label: Copy + 'static {
    /// The label's name.
    const NAME: &'static str;
    /// Every value.
    const ALL: &'static [Self];
    /// The value as text, in snake case.
    fn value(self) -> Cow<'static, str>;
}

/// A counter for each value of a label.
#[derive(Debug)]
pub struct Counters<L> {
    family: IntCounterVec,
    label: PhantomData<fn(L)>,
}

impl<L: Label> Counters<L> {
    pub(crate) fn new(family: IntCounterVec) -> Self {
        for label in L::ALL {
            family.with_label_values(&[label.value()]);
        }
        Self {
            family,
            label: PhantomData,
        }
    }

    /// Counts one.
    pub fn inc(&self, label: L) {
        self.inc_by(label, 1);
    }

    /// Counts several.
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

    /// Sets one; it is there from now on.
    pub fn set(&self, label: L, value: f64) {
        self.family.with_label_values(&[label.value()]).set(value);
    }

    /// Removes all of them, until they are set again: nothing is better than what is not known.
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
        for label in L::ALL {
            family.with_label_values(&[label.value()]);
        }
        Self {
            family,
            label: PhantomData,
        }
    }

    /// Counts one observation.
    pub fn observe(&self, label: L, value: f64) {
        self.family
            .with_label_values(&[label.value()])
            .observe(value);
    }
}
