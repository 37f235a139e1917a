//! The shell script of a story: its steps, in order, each with what it must print.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::page::{Block, Note, blocks_of};

/// One command, statement or program of a page.
#[derive(Debug)]
pub(crate) struct Step {
    /// Where it is, for messages.
    pub(crate) place: String,
    /// What bash runs. It may change the variables and the folder of the steps after it.
    pub(crate) shell: String,
    pub(crate) output: Output,
}

/// What a step prints on standard output.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Any,
    Is(String),
    Contains(String),
    /// The step does not run on this machine.
    NotRun,
}

/// What a story gives to its pages.
#[derive(Debug, Default)]
pub(crate) struct Given {
    /// Values of the variables that a reader sets, as bash writes them.
    pub(crate) variables: BTreeMap<String, String>,
    /// Starts an API and a worker.
    pub(crate) start_services: String,
    /// The Python of programs with libraries; none if it is not installed.
    pub(crate) python: Option<String>,
}

impl Given {
    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.variables.insert(name.to_owned(), value.into());
    }
}

/// The steps of pages, in order.
pub(crate) fn steps_of(pages: &[&str], given: &Given) -> Vec<Step> {
    let mut steps = Vec::new();
    for page in pages {
        for block in blocks_of(page) {
            add(&mut steps, &block, given);
        }
    }
    steps
}

fn add(steps: &mut Vec<Step>, block: &Block, given: &Given) {
    let step = |shell: String| Step {
        place: block.place(),
        shell,
        output: Output::Any,
    };
    match &block.note {
        Note::NotTested { .. } => return,
        Note::Given { names } => {
            steps.push(step(exports(block, names, given)));
            return;
        }
        Note::File { name } => {
            steps.push(step(heredoc(name, &block.text)));
            return;
        }
        Note::Output | Note::OutputContains => {
            let last = steps.last_mut().expect("a block before its output");
            let text = block.text.clone();
            last.output = match (&last.output, &block.note) {
                (Output::NotRun, _) => Output::NotRun,
                (_, Note::Output) => Output::Is(text),
                _ => Output::Contains(text),
            };
            return;
        }
        Note::Background { until } => {
            steps.push(step(in_background(block, until)));
            return;
        }
        Note::ServicesStart => steps.push(step(given.start_services.clone())),
        Note::None => {}
    }
    match block.language.as_str() {
        "console" => steps.extend(commands(block)),
        "sql" => steps.push(step(format!(
            "psql -X -A -t -v ON_ERROR_STOP=1 \"$BOOK_SQL_URL\" <<'BOOK_END'\n{}\nBOOK_END",
            block.text
        ))),
        "python" => {
            if let Some(python) = &given.python {
                let program = heredoc("program.py", &block.text);
                steps.push(step(format!("{program}\n'{python}' program.py")));
            } else {
                steps.push(Step {
                    output: Output::NotRun,
                    ..step(":".to_owned())
                });
            }
        }
        "bash" | "sh" => steps.push(step(block.text.clone())),
        _ => {}
    }
}

fn exports(block: &Block, names: &[String], given: &Given) -> String {
    let mut shell = String::new();
    for name in names {
        let value = given.variables.get(name);
        let value = value.unwrap_or_else(|| panic!("{}: the test has no {name}", block.place()));
        writeln!(shell, "export {name}={value}").expect("a string grows");
    }
    // The reader may set more, such as the address of a store that is not Amazon's.
    for (name, value) in &given.variables {
        if names.iter().any(|it| it.starts_with("AWS_")) && name.starts_with("AWS_") {
            writeln!(shell, "export {name}={value}").expect("a string grows");
        }
    }
    shell
}

fn heredoc(name: &str, text: &str) -> String {
    format!("cat >{name} <<'BOOK_END'\n{text}\nBOOK_END")
}

/// Waits for at most a minute.
fn in_background(block: &Block, until: &str) -> String {
    let command = commands(block).pop().expect("a command").shell;
    format!(
        "{command} >background.log 2>&1 &\n\
         for ((i = 0; i < 600; i++)); do grep -q '{until}' background.log && break; sleep 0.1; done\n\
         grep -q '{until}' background.log || {{ cat background.log >&2; false; }}"
    )
}

/// The commands of a console block: `$ ` begins one, and the lines after it are its output.
fn commands(block: &Block) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut output: Option<Vec<&str>> = None;
    let finish = |steps: &mut Vec<Step>, output: &mut Option<Vec<&str>>| {
        if let (Some(step), Some(lines)) = (steps.last_mut(), output.take())
            && !lines.is_empty()
        {
            step.output = Output::Is(lines.join("\n"));
        }
    };
    let mut lines = block.text.lines().zip(block.line..).peekable();
    while let Some((line, number)) = lines.next() {
        let Some(first) = line.strip_prefix("$ ") else {
            let output = output.as_mut();
            output
                .unwrap_or_else(|| panic!("{}: it begins without a command", block.place()))
                .push(line);
            continue;
        };
        finish(&mut steps, &mut output);
        let mut command = first.to_owned();
        while !is_complete(&command) {
            let (more, _) = lines.next().unwrap_or_else(|| {
                panic!(
                    "{}:{number}: the command is not complete: {command}",
                    block.page
                )
            });
            command.push('\n');
            command.push_str(more);
        }
        steps.push(Step {
            place: format!("{}:{number}", block.page),
            shell: command,
            output: Output::Any,
        });
        output = Some(Vec::new());
    }
    finish(&mut steps, &mut output);
    steps
}

/// Whether bash would run it now, and not wait for another line.
fn is_complete(command: &str) -> bool {
    if command.ends_with('\\') {
        return false;
    }
    let mut bash = Command::new("bash")
        .arg("-n")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("bash starts");
    let mut input = bash.stdin.take().expect("it is piped");
    input.write_all(command.as_bytes()).expect("bash reads");
    drop(input);
    let checked = bash.wait_with_output().expect("bash ends");
    checked.status.success() && checked.stderr.is_empty()
}

#[test]
fn the_lines_after_a_command_are_its_output() {
    let text = "$ echo one \\\n    two\none two\n$ cat <<X\na\nX\na\n$ true";
    let block = Block {
        page: "page.md".to_owned(),
        line: 7,
        language: "console".to_owned(),
        text: text.to_owned(),
        note: Note::None,
    };
    let steps = commands(&block);
    let shells: Vec<_> = steps.iter().map(|step| step.shell.as_str()).collect();
    assert_eq!(shells, ["echo one \\\n    two", "cat <<X\na\nX", "true"]);
    assert_eq!(steps[0].output, Output::Is("one two".to_owned()));
    assert_eq!(steps[1].output, Output::Is("a".to_owned()));
    assert_eq!(steps[2].output, Output::Any);
    assert_eq!(steps[1].place, "page.md:10");
}
