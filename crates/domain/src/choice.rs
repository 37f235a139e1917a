//! Which values of a column a filter selects.

use std::slice;

/// The values that a filter selects.
///
/// [`Self::One`] and [`Self::OneOf`] with one value select the same rows, but they are different requests: an export
/// shows its filter in the form in which it was given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum Choice<T> {
    /// Every value.
    #[default]
    Any,
    /// One value, given alone.
    One(T),
    /// One or more values, given as a list.
    OneOf(ValueSet<T>),
}

impl<T> Choice<T> {
    /// The values, in ascending order. Empty: the filter selects every value.
    #[must_use]
    pub fn values(&self) -> &[T] {
        match self {
            Self::Any => &[],
            Self::One(value) => slice::from_ref(value),
            Self::OneOf(set) => set.as_slice(),
        }
    }

    /// The value that was given alone.
    #[must_use]
    pub const fn one(&self) -> Option<&T> {
        match self {
            Self::One(value) => Some(value),
            Self::Any | Self::OneOf(_) => None,
        }
    }

    /// The values that were given as a list.
    #[must_use]
    pub fn list(&self) -> Option<&[T]> {
        match self {
            Self::OneOf(set) => Some(set.as_slice()),
            Self::Any | Self::One(_) => None,
        }
    }
}

impl<T> From<Option<T>> for Choice<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Any, Self::One)
    }
}

/// 1 to [`ValueSet::MAX`] distinct values in ascending order: two lists with the same values are the same filter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ValueSet<T>(Vec<T>);

/// An invalid list of values. The message says the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ValueSetError {
    /// No value, or too many.
    #[error("must have 1 to {max} values", max = MAX_VALUES)]
    Size,
    /// The value at this index has been given before.
    #[error("must have each value once")]
    Repeated {
        /// The index of the repetition.
        index: usize,
    },
}

const MAX_VALUES: usize = 50;

impl<T> ValueSet<T> {
    /// The maximum number of values.
    pub const MAX: usize = MAX_VALUES;

    /// The values, in ascending order.
    #[must_use]
    pub fn as_slice(&self) -> &[T] {
        &self.0
    }
}

impl<T: Ord> ValueSet<T> {
    /// Checks and sorts the values.
    pub fn new(mut values: Vec<T>) -> Result<Self, ValueSetError> {
        if !(1..=MAX_VALUES).contains(&values.len()) {
            return Err(ValueSetError::Size);
        }
        if let Some(index) = (1..values.len()).find(|&at| values[..at].contains(&values[at])) {
            return Err(ValueSetError::Repeated { index });
        }
        values.sort_unstable();
        Ok(Self(values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_with_the_same_values_are_equal_and_sorted() {
        let set = ValueSet::new(vec![3, 1, 2]).unwrap();
        assert_eq!(set.as_slice(), [1, 2, 3]);
        assert_eq!(ValueSet::new(vec![2, 3, 1]), Ok(set));
    }

    #[test]
    fn a_list_has_1_to_50_distinct_values() {
        assert_eq!(ValueSet::<u8>::new(vec![]), Err(ValueSetError::Size));
        assert!(ValueSet::new((0..50).collect()).is_ok());
        assert_eq!(ValueSet::new((0..51).collect()), Err(ValueSetError::Size));
        assert_eq!(
            ValueSet::new(vec![1, 2, 3, 2, 1]),
            Err(ValueSetError::Repeated { index: 3 })
        );
    }

    #[test]
    fn a_value_alone_and_a_list_of_it_are_different_filters_with_the_same_values() {
        let (one, list) = (
            Choice::One(7),
            Choice::OneOf(ValueSet::new(vec![7]).unwrap()),
        );
        assert_ne!(one, list);
        assert_eq!(one.values(), list.values());
        assert_eq!((one.one(), one.list()), (Some(&7), None));
        assert_eq!((list.one(), list.list()), (None, Some(&[7][..])));
        assert!(Choice::<u8>::Any.values().is_empty());
    }
}
