//! `exportctl login`: keeps the address of the API and a key in a profile.

use std::io::{BufRead, IsTerminal};

use clap::Args;

use crate::client::Client;
use crate::error::{Context, Error, Result};
use crate::output::{note, print};
use crate::profile::{Profile, ProfileFile};

/// Keeps the address of the API and your key, so that 'exportctl export' finds them
///
/// Reads the key from standard input, checks it with a request, and writes both to a file that only you can read.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  exportctl login https://exports.example.com\n  exportctl login https://exports.example.com --profile test < key.txt"
)]
pub(super) struct Login {
    /// The address of the API
    #[arg(value_name = "URL")]
    api_url: String,
    /// The name of the profile
    #[arg(long, value_name = "NAME", default_value = "default")]
    profile: String,
}

impl Login {
    pub(super) async fn run(self) -> Result<()> {
        let stdin = std::io::stdin();
        if stdin.is_terminal() {
            note("Paste the API key and press Enter:");
        }
        let mut key = String::new();
        stdin.lock().read_line(&mut key).context("standard input")?;
        let key = key.trim();
        if key.is_empty() {
            return Err(Error::new("there is no key on standard input"));
        }
        let client = Client::to(&self.api_url, key)?;
        client.list(1, None, None).await?;
        let file = ProfileFile::of_user()?;
        file.put(
            &self.profile,
            Profile {
                api_url: self.api_url,
                api_key: key.to_owned(),
            },
        )?;
        print(&format!(
            "profile {} is in {}",
            self.profile,
            file.path().display()
        ))
    }
}
