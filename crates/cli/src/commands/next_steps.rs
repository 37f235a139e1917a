//! What to try on a system that runs with example messages.

use super::admin::seed::{END, START};

/// A running API and a key for it.
#[derive(Debug)]
pub(super) struct Running<'a> {
    pub(super) address: &'a str,
    pub(super) key: &'a str,
}

impl Running<'_> {
    /// The console, with the key on a line of its own, to be copied.
    pub(super) fn console(&self) -> String {
        let Self { address, key } = self;
        format!(
            "\n# the console: open the page, and paste the key\n{address}/console\n{key}\n\
             # the reference of the API\n{address}/docs"
        )
    }

    /// The same export in the terminal. `program` is the path of `exportctl`.
    pub(super) fn exportctl(&self, program: &str) -> String {
        let Self { address, key } = self;
        format!(
            "# in the terminal\nexport EXPORTS_API_URL={address} EXPORTS_API_KEY={key}\n\
             {program} export create --start {START} --end {END} --status failed_permanent --download\n\
             {program} export list"
        )
    }

    /// Requests to paste. `export` is an export that is completed.
    pub(super) fn requests(&self, export: &str) -> String {
        let Self { address, key } = self;
        let auth = format!("-H 'Authorization: Bearer {key}'");
        let body = format!(
            r#"{{"start_time": "{START}", "end_time": "{END}", "status": "failed_permanent"}}"#
        );
        let exports = format!("{address}/v1/exports");
        [
            "# create".to_owned(),
            format!("curl -sS {auth} -d '{body}' {exports}"),
            "# get".to_owned(),
            format!("curl -sS {auth} {exports}/{export}"),
            "# list".to_owned(),
            format!("curl -sS {auth} '{exports}?limit=10'"),
            "# download".to_owned(),
            format!("curl -sSL {auth} -o export.csv {exports}/{export}/download"),
            "# delete".to_owned(),
            format!("curl -sS {auth} -X DELETE {exports}/{export}"),
        ]
        .join("\n")
    }

    /// One command that creates an export and answers when it has ended.
    pub(super) fn create_and_wait(&self) -> String {
        let Self { address, key } = self;
        format!(
            "# or with curl: create an export, and wait until it is completed\n\
             curl -sS -H 'Authorization: Bearer {key}' -H 'Prefer: wait=30' \
             -d '{{\"start_time\": \"{START}\", \"end_time\": \"{END}\"}}' {address}/v1/exports"
        )
    }
}
