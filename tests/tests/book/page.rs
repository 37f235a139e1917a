//! A page of the book: its blocks, and the comments that say how to run them.

use std::path::{Path, PathBuf};

/// Languages of blocks that a reader runs.
const RUNNABLE: [&str; 5] = ["console", "sql", "python", "bash", "sh"];
const COMMENT: &str = "<!-- book: ";

/// A fenced block.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    pub(crate) page: String,
    /// The line of its first line of text.
    pub(crate) line: usize,
    pub(crate) language: String,
    pub(crate) text: String,
    pub(crate) note: Note,
}

/// How a block is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Note {
    None,
    NotTested { reason: String },
    Given { names: Vec<String> },
    Background { until: String },
    ServicesStart,
    File { name: String },
    Output,
    OutputContains,
}

impl Block {
    /// Whether a reader runs it.
    pub(crate) fn is_runnable(&self) -> bool {
        RUNNABLE.contains(&self.language.as_str())
    }

    /// Whether it shows the output of the block before.
    pub(crate) fn is_output(&self) -> bool {
        matches!(self.note, Note::Output | Note::OutputContains)
    }

    /// For messages.
    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.page, self.line)
    }
}

/// The root of the repository.
pub(crate) fn repository() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the root").to_owned()
}

/// The blocks of a page, by its path in the repository.
pub(crate) fn blocks_of(page: &str) -> Vec<Block> {
    let path = repository().join(page);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{page}: {error}"));
    parse(page, &text)
}

fn parse(page: &str, text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut note = Note::None;
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let trimmed = line.trim_start();
        if let Some(comment) = trimmed.strip_prefix(COMMENT) {
            let comment = comment.strip_suffix(" -->").expect("a comment on one line");
            note = parse_note(comment)
                .unwrap_or_else(|| panic!("{page}:{}: unknown comment {comment:?}", number + 1));
        } else if let Some(language) = trimmed.strip_prefix("```") {
            let indent = line.len() - trimmed.len();
            let body: Vec<_> = lines
                .by_ref()
                .map(|(_, line)| line.get(indent..).unwrap_or(line.trim_start()))
                .take_while(|line| !line.starts_with("```"))
                .collect();
            blocks.push(Block {
                page: page.to_owned(),
                line: number + 2,
                language: language.trim().to_owned(),
                text: body.join("\n"),
                note: std::mem::replace(&mut note, Note::None),
            });
        } else if !trimmed.is_empty() {
            assert!(
                note == Note::None,
                "{page}:{}: no block follows the comment",
                number + 1
            );
        }
    }
    blocks
}

fn parse_note(comment: &str) -> Option<Note> {
    if let Some(reason) = comment.strip_prefix("not tested: ") {
        return Some(Note::NotTested {
            reason: reason.to_owned(),
        });
    }
    if let Some(names) = comment.strip_prefix("given ") {
        let names = names.split(' ').map(str::to_owned).collect();
        return Some(Note::Given { names });
    }
    if let Some(text) = comment.strip_prefix("background until ") {
        let until = text.trim_matches('"').to_owned();
        return Some(Note::Background { until });
    }
    if let Some(name) = comment.strip_prefix("file ") {
        let name = name.to_owned();
        return Some(Note::File { name });
    }
    match comment {
        "the services start before this block" => Some(Note::ServicesStart),
        "output" => Some(Note::Output),
        "output contains" => Some(Note::OutputContains),
        _ => None,
    }
}

#[test]
fn a_block_has_its_comment_and_loses_its_indentation() {
    let text = "1. Run:\n\n   <!-- book: not tested: needs a cluster -->\n   ```console\n   $ one\n     two\n   ```\n\n```sql\nSELECT 1;\n```\n";
    let blocks = parse("page.md", text);
    assert_eq!(blocks.len(), 2);
    assert_eq!(blocks[0].text, "$ one\n  two");
    assert_eq!(blocks[0].place(), "page.md:5");
    let reason = "needs a cluster".to_owned();
    assert_eq!(blocks[0].note, Note::NotTested { reason });
    assert_eq!(blocks[1].note, Note::None);
}
