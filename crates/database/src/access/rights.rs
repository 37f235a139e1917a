//! Least privilege: the rights that each program needs in the database.
//!
//! `exports-api` and `exports-worker` each run as a role that owns nothing. An attacker who controls
//! `exports-api` cannot read the content of messages, create keys or complete an export. One who controls
//! `exports-worker` cannot read keys or change requests.

/// A program with its own role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `exports-api`.
    Api,
    /// `exports-worker`.
    Worker,
}

impl Program {
    /// The option of `exportctl admin migrate` that names the program's role.
    pub(super) const fn role_option(self) -> &'static str {
        match self {
            Self::Api => "--api-role",
            Self::Worker => "--worker-role",
        }
    }
}

/// The rights of the programs on one of our tables, in `GRANT` syntax. Empty: none.
pub(super) struct Rights {
    pub(super) table: &'static str,
    api: &'static str,
    worker: &'static str,
}

impl Rights {
    pub(super) const fn of(&self, program: Program) -> &'static str {
        match program {
            Program::Api => self.api,
            Program::Worker => self.worker,
        }
    }
}

/// Our tables. A row lock (`FOR UPDATE`) needs UPDATE on at least one column.
pub(super) const OWN_TABLES: [Rights; 9] = [
    Rights {
        // For the check of the schema, at the start and for /readyz.
        table: "_sqlx_migrations",
        api: "SELECT",
        worker: "SELECT",
    },
    Rights {
        // The API reads the limits of a project and whether it is suspended. Foreign keys, and the trigger
        // that holds the exports of a suspended project, run with the rights of the owner.
        table: "projects",
        api: "SELECT (id, suspended_at, limit_requests, limit_creates, limit_active, limit_stored_bytes)",
        worker: "",
    },
    Rights {
        // The API counts creates.
        table: "project_creates",
        api: "SELECT, INSERT, UPDATE (window_started_at, creates)",
        worker: "",
    },
    Rights {
        table: "api_keys",
        api: "SELECT (id, project_id, key_sha256, scope, expires_at, last_used_at, revoked_at), \
              UPDATE (last_used_at)",
        worker: "",
    },
    Rights {
        // The API creates, cancels and deletes. Only a worker completes an export and deletes old records.
        // It cannot change the request or its project.
        table: "exports",
        api: "SELECT, DELETE, \
              UPDATE (idempotency_key, expires_at, status, lease_expires_at, lease_owner, error_code, \
                      error_message), \
              INSERT (id, project_id, created_at, due_at, status, direction, filter_start_time, \
                      filter_end_time, filter_status, filter_statuses, filter_endpoint_id, \
                      filter_endpoint_ids, idempotency_key, traceparent, label, retry_of, file_options, \
                      file_extension)",
        worker: "SELECT, DELETE, \
                 UPDATE (status, attempt, due_at, lease_token, lease_expires_at, lease_owner, \
                         attempt_error, started_at, completed_at, expires_at, row_count, \
                         file_size_bytes, sha256, object_key, error_code, error_message, \
                         idempotency_key, progress_rows, progress_bytes, takeovers, snapshot_at, \
                         claim_reads_options, files)",
    },
    Rights {
        // Workers report their progress, and remove the reports of exports that have ended.
        table: "export_progress",
        api: "SELECT",
        worker: "SELECT, INSERT, UPDATE, DELETE",
    },
    Rights {
        // The API marks and removes objects that it deletes. Workers record objects that they write.
        table: "export_objects",
        api: "SELECT, DELETE, UPDATE (state, sweep_at, sweeps_left)",
        worker: "SELECT, DELETE, INSERT (key, export_id, state), \
                 UPDATE (state, upload_id, sweep_at, sweeps_left, files)",
    },
    Rights {
        // The API writes secrets and cannot read them. A worker signs with them and cannot change them, nor
        // where deliveries go.
        table: "webhooks",
        api: "SELECT (id, project_id, slot, url, events, status, disabled_reason, created_at), DELETE, \
              INSERT (id, project_id, slot, url, events, secret), \
              UPDATE (secret, status, disabled_reason, failing_since)",
        worker: "SELECT, UPDATE (status, disabled_reason, failing_since)",
    },
    Rights {
        // A trigger with the rights of the owner writes the events. The API writes only tests.
        table: "webhook_deliveries",
        api: "SELECT (id, webhook_id, event, export_id, status, attempt, next_attempt_at, lease_token, \
                      response_status, error, created_at), \
              INSERT (webhook_id, event)",
        worker: "SELECT, DELETE, \
                 UPDATE (status, attempt, next_attempt_at, lease_token, response_status, error)",
    },
];

/// The columns of a source relation that the programs read.
pub(super) struct SourceColumns {
    pub(super) relation: &'static str,
    api: &'static [&'static str],
    worker: &'static [&'static str],
}

impl SourceColumns {
    pub(super) const fn of(&self, program: Program) -> &'static [&'static str] {
        match program {
            Program::Api => self.api,
            Program::Worker => self.worker,
        }
    }
}

/// The source relations. They may belong to another role and have more columns.
pub(super) const SOURCE: [SourceColumns; 2] = [
    SourceColumns {
        relation: "endpoints",
        // Without the URL, which may contain a secret of the consumer.
        api: &["id", "project_id", "direction"],
        worker: &["id", "project_id", "direction", "url", "created_at"],
    },
    SourceColumns {
        relation: "messages",
        // What filters select by, for estimates. Nothing of the content.
        api: &[
            "project_id",
            "direction",
            "endpoint_id",
            "status",
            "created_at",
        ],
        worker: &[
            "id",
            "project_id",
            "direction",
            "endpoint_id",
            "status",
            "attempt_count",
            "created_at",
            "delivered_at",
            "next_attempt_at",
            "response_status",
            "response_latency_ms",
            "total_delivery_ms",
            "last_error",
        ],
    },
];

/// The parts of a list of rights in `GRANT` syntax: each privilege with its columns, or without columns if
/// it is on the whole table.
pub(super) fn privileges(rights: &str) -> Vec<(&str, Vec<&str>)> {
    let mut parts = Vec::new();
    let mut rest = rights.trim();
    while !rest.is_empty() {
        let end = rest.find([',', '(']).unwrap_or(rest.len());
        let (privilege, tail) = rest.split_at(end);
        let (columns, tail) = match tail.strip_prefix('(').and_then(|tail| tail.split_once(')')) {
            Some((columns, tail)) => (columns.split(',').map(str::trim).collect(), tail),
            None => (Vec::new(), tail),
        };
        parts.push((privilege.trim(), columns));
        rest = tail.trim_start_matches([',', ' ']);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_rights_is_split_into_privileges_and_columns() {
        assert_eq!(privileges(""), []);
        assert_eq!(
            privileges("SELECT, DELETE, UPDATE (a,  b), INSERT (c)"),
            [
                ("SELECT", vec![]),
                ("DELETE", vec![]),
                ("UPDATE", vec!["a", "b"]),
                ("INSERT", vec!["c"]),
            ]
        );
    }
}
