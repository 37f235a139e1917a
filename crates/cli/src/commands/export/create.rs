//! `exportctl export create` and `estimate`.

use std::path::PathBuf;

use clap::Args;
use exports_service::settings::ConsumerSettings;
use indicatif::{BinaryBytes, HumanCount};
use uuid::Uuid;

use super::download;
use super::request::Request;
use super::watch::watch;
use crate::commands::connection::connect;
use crate::commands::response::id_of;
use crate::error::{Error, Result};
use crate::output::print;

/// Creates an export and prints its id
#[derive(Debug, Args)]
pub(in crate::commands) struct Create {
    #[command(flatten)]
    request: Request,
    /// Repeat the command with the same key to be sure that there is one export
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Wait until the export has ended, and show its progress
    #[arg(long)]
    watch: bool,
    /// Wait, and download the files into this folder [default: the current one]
    #[arg(long, value_name = "FOLDER", num_args = 0..=1, default_missing_value = ".")]
    download: Option<PathBuf>,
    /// Print the export as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: ConsumerSettings,
}

impl Create {
    pub(super) async fn run(self: Box<Self>) -> Result<()> {
        let client = connect(&self.connection)?;
        // The request is sent again if its answer is lost. That must not make two exports.
        let key = self
            .idempotency_key
            .clone()
            .unwrap_or_else(|| Uuid::new_v4().to_string());
        let body = self.request.body();
        let created = client.post_once("/v1/exports", &body, &key).await?;
        let id = id_of(&created)?;
        if self.json {
            print(&created.to_string())?;
        } else {
            print(&id)?;
        }
        if self.watch || self.download.is_some() {
            let export = watch(&client, &id).await?;
            if let Some(folder) = &self.download {
                download::all(&client, &export, folder, download::JOBS).await?;
            }
        }
        Ok(())
    }
}

/// Says how large an export would be, without creating it
#[derive(Debug, Args)]
pub(in crate::commands) struct Estimate {
    #[command(flatten)]
    request: Request,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: ConsumerSettings,
}

impl Estimate {
    pub(super) async fn run(self: Box<Self>) -> Result<()> {
        let client = connect(&self.connection)?;
        let estimate = client
            .post("/v1/exports/estimate", &self.request.body())
            .await?;
        if self.json {
            return print(&estimate.to_string());
        }
        let missing = |name| Error::new(format!("the answer of the API has no {name}"));
        let number = |name| estimate[name].as_u64().ok_or_else(|| missing(name));
        let about = if estimate["exact"] == true {
            ""
        } else {
            "about "
        };
        print(&format!(
            "{about}{} rows, {}, {} s",
            HumanCount(number("row_count")?),
            BinaryBytes(number("file_size_bytes")?),
            number("duration_seconds")?
        ))
    }
}
