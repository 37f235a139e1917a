//! A page of the book, or the part of one, that is generated.

use std::io;

/// The first line of a generated page.
const HEADER: &str = "<!-- Generated from the code. Do not edit it: `make docs` writes it, and `make check` compares it. -->";
const BEGIN: &str = "<!-- Generated from the code: `make docs` writes what follows. -->";
const END: &str = "<!-- End of what is generated. -->";

/// A generated text and its place.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) path: &'static str,
    text: String,
    is_part: bool,
}

impl Page {
    /// A whole page.
    pub(crate) fn whole(path: &'static str, text: &str) -> Self {
        let text = format!("{HEADER}\n\n{}\n", text.trim());
        Self {
            path,
            text,
            is_part: false,
        }
    }

    /// The part between the two marks of a page that is written by hand.
    pub(crate) fn part(path: &'static str, text: &str) -> Self {
        Self {
            path,
            text: format!("{BEGIN}\n\n{}\n\n", text.trim()),
            is_part: true,
        }
    }

    /// Writes it.
    pub(crate) fn write(&self) -> io::Result<()> {
        std::fs::write(self.path, self.wanted(&self.current()?)?)
    }

    /// Whether the file differs from what would be written.
    pub(crate) fn is_stale(&self) -> io::Result<bool> {
        let current = self.current()?;
        Ok(current != self.wanted(&current)?)
    }

    /// The file as it is. A whole page may be new.
    fn current(&self) -> io::Result<String> {
        match std::fs::read_to_string(self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !self.is_part => {
                Ok(String::new())
            }
            read => read,
        }
    }

    fn wanted(&self, current: &str) -> io::Result<String> {
        if !self.is_part {
            return Ok(self.text.clone());
        }
        let parts = current.split_once(BEGIN).and_then(|(before, rest)| {
            let (_, after) = rest.split_once(END)?;
            Some(format!("{before}{}{END}{after}", self.text))
        });
        parts.ok_or_else(|| io::Error::other(format!("the lines {BEGIN} and {END} are missing")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_part_between_the_marks_is_replaced() {
        let page = Page::part("page.md", "| new |");
        let current = format!("# Page\n\n{BEGIN}\n\nold\n\n{END}\n\nThe rest.\n");
        let wanted = page.wanted(&current).expect("the marks are there");
        assert_eq!(
            wanted,
            format!("# Page\n\n{BEGIN}\n\n| new |\n\n{END}\n\nThe rest.\n")
        );
        assert_eq!(page.wanted(&wanted).expect("they still are"), wanted);
    }

    #[test]
    fn a_page_without_the_marks_is_an_error() {
        let page = Page::part("page.md", "| new |");
        let error = page.wanted("# Page\n").unwrap_err();
        assert!(error.to_string().contains("are missing"), "{error}");
    }
}
