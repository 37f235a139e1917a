//! `exportctl demo`.

use clap::Args;
use indicatif::HumanCount;

use super::demo_system::DemoSystem;
use crate::error::Result;
use crate::output::{note, print};

const NEXT: &str = "
What to try next:
  make dev       keeps the same system running: a web console, and commands to paste
  make up        the whole system in containers, with PostgreSQL and an S3 store
  docs/operating.md says how to run it on your own database and bucket";

/// Runs a demo: starts a private copy of the whole system, exports a million messages, removes everything
#[derive(Debug, Args)]
pub(super) struct Demo {
    #[command(flatten)]
    system: DemoSystem,
}

impl Demo {
    pub(super) async fn run(self) -> Result<()> {
        note(&self.plan());
        self.system.run(async |_, _| Ok(())).await?;
        print(NEXT)
    }

    fn plan(&self) -> String {
        format!(
            "The demo:\n\
             1. starts a private PostgreSQL in a temporary folder and inserts {} messages\n\
             2. starts exports-api and exports-worker\n\
             3. creates two exports over HTTP, waits for them, downloads both files\n\
             4. counts the rows in the files and compares their SHA-256 with the API\n\
             5. stops and removes everything. Nothing outside the folder is read or changed.",
            HumanCount(self.system.messages)
        )
    }
}
