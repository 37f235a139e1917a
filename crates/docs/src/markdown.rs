//! Texts in Markdown.

/// A text in the cell of a table: on one line, with `|` escaped.
pub(crate) fn cell(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    escape(&line).replace('|', "\\|")
}

/// `<` and `>` outside of code: they would be HTML.
pub(crate) fn escape(text: &str) -> String {
    let parts = text.split('`').enumerate().map(|(number, part)| {
        if number % 2 == 0 {
            part.replace('<', "&lt;").replace('>', "&gt;")
        } else {
            part.to_owned()
        }
    });
    parts.collect::<Vec<_>>().join("`")
}

/// A value as code.
pub(crate) fn code(text: &str) -> String {
    format!("`{text}`")
}

/// The same, in the cell of a table.
pub(crate) fn code_cell(text: &str) -> String {
    code(&text.replace('|', "\\|"))
}

/// A text without the period at its end.
pub(crate) fn without_period(text: &str) -> &str {
    text.strip_suffix('.').unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_has_one_line_and_no_html() {
        assert_eq!(
            cell("one\n  two | <b> `a<b>`"),
            "one two \\| &lt;b&gt; `a<b>`"
        );
    }
}
