//! `exportctl admin project limits`.

use std::str::FromStr;

use clap::Args;
use exports_domain::{
    Count, Limit, LimitError, LimitName, LimitOverrides, Limits as Values, ProjectId, Rate,
};
use exports_service::settings::{DatabaseSettings, LimitSettings, LogSettings};

use crate::audit::{Audit, Change};
use crate::commands::admin::database::{open, unknown_project};
use crate::error::{Context, Result};
use crate::output::print;
use crate::table::table;

/// Shows the limits of a project, or gives it its own instead of the settings of the API
///
/// A value is a limit such as 60/1m or 1000, 'off', or 'default': the setting of the API. The API uses a
/// new value within five seconds. What is shown for 'default' are the settings of this command: an API process
/// may have others.
#[derive(Debug, Args)]
pub(in crate::commands) struct Limits {
    #[arg(value_name = "PROJECT")]
    project: ProjectId,
    /// Requests of one API key per API process
    #[arg(long, value_name = "RATE|off|default", value_parser = Own::<Rate>::from_str)]
    requests: Option<Own<Rate>>,
    /// Creates
    #[arg(long, value_name = "RATE|off|default", value_parser = Own::<Rate>::from_str)]
    creates: Option<Own<Rate>>,
    /// Pending and processing exports
    #[arg(long, value_name = "COUNT|off|default", value_parser = Own::<Count>::from_str)]
    active: Option<Own<Count>>,
    /// Bytes of completed files that have not expired
    #[arg(long, value_name = "BYTES|off|default", value_parser = Own::<Count>::from_str)]
    stored_bytes: Option<Own<Count>>,
    #[command(flatten)]
    defaults: LimitSettings,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    log: LogSettings,
}

/// A limit that a project gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Own<T> {
    /// The setting of the API.
    Default,
    /// Its own.
    Limit(Limit<T>),
}

impl<T: FromStr<Err = LimitError>> FromStr for Own<T> {
    type Err = LimitError;

    fn from_str(text: &str) -> std::result::Result<Self, LimitError> {
        match text {
            "default" => Ok(Self::Default),
            limit => limit.parse().map(Self::Limit),
        }
    }
}

impl<T> Own<T> {
    fn into_override(self) -> Option<Limit<T>> {
        match self {
            Self::Default => None,
            Self::Limit(limit) => Some(limit),
        }
    }
}

impl Limits {
    pub(in crate::commands) async fn run(self) -> Result<()> {
        let project = &self.project;
        let database = open(&self.database).await?;
        let before = database.project_limits(project).await;
        let before = before.context("cannot read the limits of the project")?;
        let before = before.ok_or_else(|| unknown_project(project))?;
        let after = self.applied_to(before);
        if after != before {
            let audit = Audit::open(&self.log)?;
            let set = database.set_project_limits(project, after).await;
            if !set.context("cannot change the limits of the project")? {
                return Err(unknown_project(project));
            }
            audit.done(Change {
                detail: &changes(before, after),
                ..Change::of_project("project.limits", project)
            });
        }
        print(&shown(self.defaults.into(), after))
    }

    fn applied_to(&self, before: LimitOverrides) -> LimitOverrides {
        fn applied<T: Copy>(own: Option<Own<T>>, before: Option<Limit<T>>) -> Option<Limit<T>> {
            own.map_or(before, Own::into_override)
        }
        LimitOverrides {
            requests: applied(self.requests, before.requests),
            creates: applied(self.creates, before.creates),
            active: applied(self.active, before.active),
            stored_bytes: applied(self.stored_bytes, before.stored_bytes),
        }
    }
}

/// The limits that a project has of its own, as text.
pub(super) fn own(own: LimitOverrides) -> impl Iterator<Item = (LimitName, String)> {
    let defaults = texts(LimitOverrides::default());
    let pairs = texts(own).into_iter().zip(defaults);
    pairs
        .filter(|(own, default)| own != default)
        .map(|(own, _)| own)
}

/// The values of a project as text, `default` where it has none.
fn texts(own: LimitOverrides) -> [(LimitName, String); 4] {
    fn text<T: std::fmt::Display>(own: Option<Limit<T>>) -> String {
        own.map_or_else(|| "default".to_owned(), |limit| limit.to_string())
    }
    [
        (LimitName::Requests, text(own.requests)),
        (LimitName::Creates, text(own.creates)),
        (LimitName::Active, text(own.active)),
        (LimitName::StoredBytes, text(own.stored_bytes)),
    ]
}

/// What changes: `creates=60/1m active=default`.
fn changes(before: LimitOverrides, after: LimitOverrides) -> String {
    let pairs = texts(before).into_iter().zip(texts(after));
    let changed = pairs.filter(|(before, after)| before != after);
    let shown = changed.map(|(_, (name, value))| format!("{name}={value}"));
    shown.collect::<Vec<_>>().join(" ")
}

/// One line per limit: its value and where it comes from.
fn shown(defaults: Values, own: LimitOverrides) -> String {
    let values = defaults.with(own);
    let line = |name: LimitName, value: String, is_own: bool, variable: &str| {
        let from = if is_own {
            "the project"
        } else if std::env::var_os(variable).is_some() {
            variable
        } else {
            "the default"
        };
        [name.to_string(), value, from.to_owned()]
    };
    let lines = [
        line(
            LimitName::Requests,
            values.requests.to_string(),
            own.requests.is_some(),
            "EXPORTS_REQUESTS_PER_KEY",
        ),
        line(
            LimitName::Creates,
            values.creates.to_string(),
            own.creates.is_some(),
            "EXPORTS_CREATES_PER_PROJECT",
        ),
        line(
            LimitName::Active,
            values.active.to_string(),
            own.active.is_some(),
            "EXPORTS_MAX_ACTIVE_PER_PROJECT",
        ),
        line(
            LimitName::StoredBytes,
            values.stored_bytes.to_string(),
            own.stored_bytes.is_some(),
            "EXPORTS_MAX_STORED_BYTES_PER_PROJECT",
        ),
    ];
    table(["LIMIT", "VALUE", "FROM"], lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_names_only_what_changes() {
        let before = LimitOverrides {
            active: Some("5".parse().unwrap()),
            ..LimitOverrides::default()
        };
        let after = LimitOverrides {
            creates: Some("60/1m".parse().unwrap()),
            ..LimitOverrides::default()
        };
        assert_eq!(changes(before, after), "creates=60/1m active=default");
        assert_eq!(changes(before, before), "");
    }

    #[test]
    fn every_limit_is_shown_with_where_it_comes_from() {
        let own = LimitOverrides {
            active: Some(Limit::Off),
            ..LimitOverrides::default()
        };
        let text = shown(Values::OFF, own);
        assert_eq!(text.lines().count(), 5);
        let words: Vec<_> = text.lines().map(str::split_whitespace).collect();
        let active: Vec<_> = words[3].clone().collect();
        assert_eq!(active, ["active", "off", "the", "project"]);
    }

    #[test]
    fn a_limit_can_be_off_or_the_default() {
        assert_eq!("default".parse(), Ok(Own::<Rate>::Default));
        assert_eq!("off".parse(), Ok(Own::<Rate>::Limit(Limit::Off)));
        assert!("60".parse::<Own<Rate>>().is_err());
    }
}
