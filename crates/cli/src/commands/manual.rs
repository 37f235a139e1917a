//! What the command line says about itself: completions for shells, man pages, and the reference in the documentation.

use std::path::PathBuf;

use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;

use super::Arguments;
use crate::error::{Context, Result};
use crate::output::{note, print};

/// Prints the completions for a shell
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        exportctl completions bash > /usr/share/bash-completion/completions/exportctl\n  \
        exportctl completions zsh > \"${fpath[1]}/_exportctl\"\n  \
        exportctl completions fish > ~/.config/fish/completions/exportctl.fish")]
pub(super) struct Completions {
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self) -> Result<()> {
        let mut script = Vec::new();
        clap_complete::generate(
            self.shell,
            &mut Arguments::command(),
            "exportctl",
            &mut script,
        );
        print(String::from_utf8_lossy(&script).trim_end())
    }
}

/// Writes a man page for each command into a folder
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  exportctl man /usr/local/share/man/man1")]
pub(super) struct Man {
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

impl Man {
    pub(super) fn run(self) -> Result<()> {
        let writing = format!("cannot write to {}", self.folder.display());
        std::fs::create_dir_all(&self.folder).context(writing.clone())?;
        clap_mangen::generate_to(Arguments::command(), &self.folder).context(writing)?;
        note(&format!(
            "the man pages are in {}: man {}",
            self.folder.display(),
            self.folder.join("exportctl.1").display()
        ));
        Ok(())
    }
}

/// Prints the help of all commands as one page of Markdown.
pub(super) fn reference() -> Result<()> {
    let mut command = Arguments::command();
    // Sets the full names of the subcommands.
    command.build();
    print(sections(&mut command).join("\n\n").trim_end())
}

/// The help of a command and of its subcommands.
fn sections(command: &mut Command) -> Vec<String> {
    if command.is_hide_set() || command.get_name() == "help" {
        return Vec::new();
    }
    let help = command.render_long_help().to_string();
    let lines: Vec<_> = help.trim_end().lines().map(str::trim_end).collect();
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
    let section = format!("## {name}\n\n```text\n{}\n```", lines.join("\n"));
    let subcommands = command.get_subcommands_mut().flat_map(sections);
    std::iter::once(section).chain(subcommands).collect()
}
