//! The label of an export: a text that its consumer gives to it, for people.

use std::fmt;
use std::str::FromStr;

/// 1 to [`Label::MAX_CHARS`] characters without control characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Label(String);

/// An invalid label. The message says the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// Too short or too long.
    #[error("must have 1 to {} characters", Label::MAX_CHARS)]
    Length,
    /// It has a control character, such as a line break.
    #[error("must not have control characters, such as line breaks or tabs")]
    ControlCharacter,
}

impl Label {
    /// The maximum number of characters (Unicode code points).
    pub const MAX_CHARS: usize = 200;

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Label {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        if text.is_empty() || text.chars().count() > Self::MAX_CHARS {
            return Err(LabelError::Length);
        }
        if text.chars().any(char::is_control) {
            return Err(LabelError::ControlCharacter);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_a_short_text_without_control_characters() {
        let longest = "é".repeat(Label::MAX_CHARS);
        for text in ["x", " a b ", "Ünïcode \u{1f4e6}", &longest] {
            let label: Label = text.parse().unwrap();
            assert_eq!(label.as_str(), text, "it is kept as it is");
        }
        let too_long = "x".repeat(Label::MAX_CHARS + 1);
        for (text, error) in [
            ("", LabelError::Length),
            (too_long.as_str(), LabelError::Length),
            ("a\nb", LabelError::ControlCharacter),
            ("a\0", LabelError::ControlCharacter),
            ("\u{7f}", LabelError::ControlCharacter),
            ("\u{85}", LabelError::ControlCharacter),
        ] {
            assert_eq!(text.parse::<Label>(), Err(error), "{text:?}");
        }
    }
}
