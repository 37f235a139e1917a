//! `exportctl admin webhook`: the webhooks of projects, for operators. Secrets are never shown.

use clap::{Args, Subcommand};
use exports_database::{Delivery, ListedWebhook};
use exports_domain::time::to_wire;
use exports_domain::{DeliveryId, ProjectId, WebhookEvent, WebhookId};
use exports_service::settings::{DatabaseSettings, LogSettings};
use serde_json::{Value, json};

use super::database::open;
use crate::audit::{Audit, Change};
use crate::error::{Context, Error, Result};
use crate::output::{note, print};
use crate::table::table;

const SHOWN_DELIVERIES: u16 = 100;

/// Shows, disables and repeats webhooks
#[derive(Debug, Subcommand)]
pub(in crate::commands) enum Webhook {
    List(List),
    Show(One),
    /// Enables a webhook; events that happened while it was disabled are not sent
    Enable(One),
    /// Disables a webhook; its pending deliveries fail
    Disable(One),
    /// Deletes a webhook and its deliveries
    Delete(One),
    /// Shows the last 100 deliveries of a webhook, with the errors of their latest attempts
    Deliveries(One),
    Redeliver(Redeliver),
}

/// Lists webhooks: of a project, or of all
#[derive(Debug, Args)]
pub(in crate::commands) struct List {
    /// Only this project
    #[arg(long, value_name = "PROJECT")]
    project: Option<ProjectId>,
    /// Print a JSON array
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseSettings,
}

/// Shows a webhook
#[derive(Debug, Args)]
pub(in crate::commands) struct One {
    /// The project
    #[arg(value_name = "PROJECT")]
    project: ProjectId,
    /// A webhook of the project
    #[arg(value_name = "ID")]
    webhook: WebhookId,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    log: LogSettings,
}

/// Sends deliveries again, from their first attempt and with the same ids: one, or all that failed
#[derive(Debug, Args)]
pub(in crate::commands) struct Redeliver {
    /// The project
    #[arg(value_name = "PROJECT")]
    project: ProjectId,
    /// A webhook of the project
    #[arg(value_name = "ID")]
    webhook: WebhookId,
    /// This delivery
    #[arg(value_name = "DELIVERY", required_unless_present = "failed")]
    delivery: Option<DeliveryId>,
    /// All failed deliveries of the webhook
    #[arg(long, conflicts_with = "delivery")]
    failed: bool,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    log: LogSettings,
}

impl Webhook {
    pub(super) async fn run(self) -> Result<()> {
        match self {
            Self::List(command) => command.run().await,
            Self::Show(command) => command.show().await,
            Self::Enable(command) => command.enable().await,
            Self::Disable(command) => command.disable().await,
            Self::Delete(command) => command.delete().await,
            Self::Deliveries(command) => command.deliveries().await,
            Self::Redeliver(command) => command.run().await,
        }
    }
}

const COLUMNS: [&str; 8] = [
    "PROJECT",
    "WEBHOOK",
    "STATUS",
    "EVENTS",
    "FAILING SINCE",
    "PENDING",
    "FAILED",
    "URL",
];

impl List {
    async fn run(self) -> Result<()> {
        let database = open(&self.database).await?;
        let webhooks = database.operator_webhooks(self.project.as_ref()).await;
        let webhooks = webhooks.context("cannot list the webhooks")?;
        if self.json {
            let webhooks: Vec<_> = webhooks.iter().map(object).collect();
            return print(&Value::from(webhooks).to_string());
        }
        if webhooks.is_empty() {
            note("no webhooks");
            return Ok(());
        }
        print(&table(COLUMNS, webhooks.iter().map(cells)))
    }
}

impl One {
    async fn show(self) -> Result<()> {
        let database = open(&self.database).await?;
        let webhooks = database.operator_webhooks(Some(&self.project)).await;
        let webhooks = webhooks.context("cannot get the webhook")?;
        let found = webhooks.iter().find(|it| it.webhook.id == self.webhook);
        let found = found.ok_or_else(|| unknown(&self.project, self.webhook))?;
        if self.json {
            return print(&object(found).to_string());
        }
        print(&table(COLUMNS, [cells(found)]))
    }

    async fn enable(self) -> Result<()> {
        let audit = Audit::open(&self.log)?;
        let database = open(&self.database).await?;
        let enabled = database.enable_webhook(&self.project, self.webhook).await;
        let enabled = enabled.context("cannot enable the webhook")?;
        enabled.ok_or_else(|| unknown(&self.project, self.webhook))?;
        record(&audit, "webhook.enable", &self.project, self.webhook);
        print(&format!("{} is enabled", self.webhook))
    }

    async fn disable(self) -> Result<()> {
        let audit = Audit::open(&self.log)?;
        let database = open(&self.database).await?;
        let disabled = database.disable_webhook(&self.project, self.webhook).await;
        let disabled = disabled.context("cannot disable the webhook")?;
        disabled.ok_or_else(|| unknown(&self.project, self.webhook))?;
        record(&audit, "webhook.disable", &self.project, self.webhook);
        print(&format!("{} is disabled", self.webhook))
    }

    async fn delete(self) -> Result<()> {
        let audit = Audit::open(&self.log)?;
        let database = open(&self.database).await?;
        let deleted = database.delete_webhook(&self.project, self.webhook).await;
        if !deleted.context("cannot delete the webhook")? {
            return Err(unknown(&self.project, self.webhook));
        }
        record(&audit, "webhook.delete", &self.project, self.webhook);
        print(&format!("{} is deleted", self.webhook))
    }

    async fn deliveries(self) -> Result<()> {
        const COLUMNS: [&str; 8] = [
            "DELIVERY", "EVENT", "EXPORT", "STATUS", "ATTEMPT", "RESPONSE", "NEXT", "ERROR",
        ];
        let database = open(&self.database).await?;
        let deliveries = database
            .webhook_deliveries(&self.project, self.webhook, SHOWN_DELIVERIES)
            .await;
        let deliveries = deliveries.context("cannot list the deliveries")?;
        let deliveries = deliveries.ok_or_else(|| unknown(&self.project, self.webhook))?;
        if self.json {
            let deliveries: Vec<_> = deliveries.iter().map(delivery_object).collect();
            return print(&Value::from(deliveries).to_string());
        }
        if deliveries.is_empty() {
            note("no deliveries");
            return Ok(());
        }
        print(&table(COLUMNS, deliveries.iter().map(delivery_cells)))
    }
}

impl Redeliver {
    async fn run(self) -> Result<()> {
        let audit = Audit::open(&self.log)?;
        let database = open(&self.database).await?;
        let known = database.get_webhook(&self.project, self.webhook).await;
        let known = known.context("cannot get the webhook")?;
        known.ok_or_else(|| unknown(&self.project, self.webhook))?;
        let count = database
            .redeliver(&self.project, self.webhook, self.delivery)
            .await
            .context("cannot send the deliveries again")?;
        if count > 0 {
            record(&audit, "webhook.redeliver", &self.project, self.webhook);
        }
        match (self.delivery, count) {
            (Some(delivery), 0) => Err(Error::new(format!(
                "{} has no delivery {delivery}: 'exportctl admin webhook deliveries' lists them",
                self.webhook
            ))),
            (Some(delivery), _) => print(&format!("{delivery} is due now")),
            (None, count) => print(&format!("{count} failed deliveries are due now")),
        }
    }
}

fn record(audit: &Audit, action: &'static str, project: &ProjectId, webhook: WebhookId) {
    audit.done(Change {
        detail: &format!("webhook={webhook}"),
        ..Change::of_project(action, project)
    });
}

fn unknown(project: &ProjectId, webhook: WebhookId) -> Error {
    Error::new(format!(
        "project {project} has no webhook {webhook}: 'exportctl admin webhook list' shows all"
    ))
}

fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".to_owned())
}

fn status(listed: &ListedWebhook) -> String {
    let webhook = &listed.webhook;
    match webhook.disabled_reason {
        None => webhook.status.to_string(),
        Some(reason) => format!("{} ({reason})", webhook.status),
    }
}

fn events(listed: &ListedWebhook) -> Vec<&'static str> {
    let events = listed.webhook.events.iter();
    events.map(|&event| WebhookEvent::as_str(event)).collect()
}

fn cells(listed: &ListedWebhook) -> [String; COLUMNS.len()] {
    [
        listed.project.clone(),
        listed.webhook.id.to_string(),
        status(listed),
        events(listed).join(","),
        or_dash(listed.failing_since.map(to_wire)),
        listed.pending.to_string(),
        listed.failed.to_string(),
        listed.webhook.url.clone(),
    ]
}

fn object(listed: &ListedWebhook) -> Value {
    let webhook = &listed.webhook;
    json!({
        "project_id": listed.project,
        "id": webhook.id.to_string(),
        "url": webhook.url,
        "events": events(listed),
        "status": webhook.status.as_str(),
        "disabled_reason": webhook.disabled_reason.map(exports_domain::DisabledReason::as_str),
        "created_at": to_wire(webhook.created_at),
        "failing_since": listed.failing_since.map(to_wire),
        "pending": listed.pending,
        "failed": listed.failed,
    })
}

fn delivery_cells(delivery: &Delivery) -> [String; 8] {
    [
        delivery.id.to_string(),
        delivery.event.to_string(),
        or_dash(delivery.export.map(|export| export.to_string())),
        delivery.status.to_string(),
        delivery.attempt.to_string(),
        or_dash(delivery.response_status.map(|status| status.to_string())),
        or_dash(delivery.next_attempt_at.map(to_wire)),
        or_dash(delivery.error.clone()),
    ]
}

fn delivery_object(delivery: &Delivery) -> Value {
    json!({
        "id": delivery.id.to_string(),
        "event": delivery.event.as_str(),
        "export_id": delivery.export.map(|export| export.to_string()),
        "attempt": delivery.attempt,
        "status": delivery.status.as_str(),
        "response_status": delivery.response_status,
        "error": delivery.error,
        "next_attempt_at": delivery.next_attempt_at.map(to_wire),
        "created_at": to_wire(delivery.created_at),
    })
}
