//! The faults of a request, reported together, so that a consumer can correct all of them at once.

use crate::error::{ApiError, quoted};

/// The maximum number of faults in a message. A body has few fields, but any number of unknown ones.
const MAX_SHOWN: usize = 20;

/// Messages in the order of the fields. Each names its field and the rule.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<String>);

impl Faults {
    pub(crate) fn add(&mut self, message: impl Into<String>) {
        self.0.push(message.into());
    }

    /// The value, if there is no fault.
    pub(crate) fn ok<T>(&mut self, result: Result<T, String>) -> Option<T> {
        result.map_err(|message| self.add(message)).ok()
    }

    /// Takes the faults of a part of the request. Whether there are any.
    pub(crate) fn append(&mut self, part: Self) -> bool {
        let has_faults = !part.0.is_empty();
        self.0.extend(part.0);
        has_faults
    }

    /// The error, if there is a fault.
    pub(crate) fn check(self) -> Result<(), ApiError> {
        if self.0.is_empty() {
            return Ok(());
        }
        let hidden = self.0.len().saturating_sub(MAX_SHOWN);
        let mut shown = self.0;
        shown.truncate(MAX_SHOWN);
        if hidden > 0 {
            shown.push(format!("and {hidden} more"));
        }
        Err(ApiError::Invalid(shown.join("; ")))
    }
}

/// The fault of names that an operation does not know, with a hint which it knows. `None` if there are no such names.
pub(crate) fn unknown_names<'a>(
    what: &str,
    mut names: impl Iterator<Item = &'a str>,
    hint: impl FnOnce() -> String,
) -> Option<String> {
    const MAX_NAMES: usize = 5;
    let mut shown: Vec<_> = names.by_ref().take(MAX_NAMES).map(quoted).collect();
    let plural = match shown.len() {
        0 => return None,
        1 => "",
        _ => "s",
    };
    let hidden = names.count();
    if hidden > 0 {
        shown.push(format!("and {hidden} more"));
    }
    let shown = shown.join(", ");
    Some(format!("unknown {what}{plural} {shown}: {}", hint()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_faults_are_in_one_message() {
        assert!(Faults::default().check().is_ok());
        let mut faults = Faults::default();
        assert_eq!(faults.ok(Ok(1)), Some(1));
        assert_eq!(faults.ok::<u8>(Err("a is required".to_owned())), None);
        faults.add("b must not be empty");
        let error = faults.check().unwrap_err();
        assert_eq!(error.message(), "a is required; b must not be empty");
    }

    #[test]
    fn unknown_names_are_one_fault() {
        let fault =
            |names: &[&str]| unknown_names("field", names.iter().copied(), || "only a".to_owned());
        assert_eq!(fault(&[]), None);
        assert_eq!(fault(&["x"]).unwrap(), "unknown field \"x\": only a");
        assert_eq!(
            fault(&["x", "y"]).unwrap(),
            "unknown fields \"x\", \"y\": only a"
        );
        let many = fault(&["x"; 9]).unwrap();
        assert!(many.ends_with("\"x\", and 4 more: only a"), "{many}");
    }

    #[test]
    fn the_length_of_the_message_is_bounded() {
        let mut faults = Faults::default();
        (0..1000).for_each(|_| faults.add("x"));
        let message = faults.check().unwrap_err().message();
        assert!(message.ends_with("; x; and 980 more"), "{message}");
    }
}
