//! Compares an output with the one that a page shows.

use regex::Regex;

/// The id of the examples.
const EXAMPLE_ID: &str = "01935abc-def0-7123-4567-890abcdef012";
const ANY_ID: &str = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}";

/// Whether the output is the one of the page: `…` is any text in a line, and on a line of its own any number of lines.
pub(crate) fn is_shown(output: &str, shown: &str) -> bool {
    let mut pattern = String::from("^");
    for line in lines(shown) {
        let line = line.as_str();
        if line == "…" {
            pattern.push_str("(.*\n)*");
            continue;
        }
        let parts = line.split('…').map(|part| {
            let part = regex::escape(part);
            part.replace(&regex::escape(EXAMPLE_ID), ANY_ID)
        });
        pattern.push_str(&parts.collect::<Vec<_>>().join(".*"));
        pattern.push('\n');
    }
    pattern.push('$');
    let pattern = Regex::new(&pattern).expect("an escaped text is a pattern");
    let output: String = lines(output).map(|line| line + "\n").collect();
    pattern.is_match(&output)
}

/// Whether each line is a part of a line of the output.
pub(crate) fn contains(output: &str, shown: &str) -> bool {
    lines(shown).all(|part| lines(output).any(|line| line.contains(&part)))
}

/// A CSV has CRLF, and a page no blanks at the end of a line. The columns of a table are as wide as their values.
fn lines(text: &str) -> impl Iterator<Item = String> {
    text.trim_end().lines().map(|line| {
        let words: Vec<_> = line
            .trim_end()
            .split(' ')
            .filter(|word| !word.is_empty())
            .collect();
        let indent = if line.starts_with(' ') { " " } else { "" };
        format!("{indent}{}", words.join(" "))
    })
}

#[test]
fn an_ellipsis_is_any_text_and_the_example_is_any_id() {
    assert!(is_shown("12 rows, 3 KiB\n", "… rows, …"));
    assert!(!is_shown("12 rows, 3 KiB\nmore\n", "… rows, …"));
    assert!(is_shown("a\nb\nc\nd\r\n", "a\n…\nd"));
    assert!(is_shown("a\nd\n", "a\n…\nd"));
    assert!(is_shown(
        "01a21f53-48b5-73bf-8f08-5d91defbd3e5\n",
        EXAMPLE_ID
    ));
    assert!(!is_shown("no id\n", EXAMPLE_ID));
    assert!(!is_shown("a.c\n", "abc"));
    assert!(contains("one two\nthree\n", "two\nthree"));
    assert!(!contains("one two\n", "three"));
}
