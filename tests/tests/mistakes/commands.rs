//! The commands of `exportctl`.

use crate::table::{Mistake, exportctl};

const NOBODY: &str = "0190a1b2-0000-7000-8000-000000000000";

pub(crate) fn mistakes() -> Vec<Mistake> {
    vec![
        exportctl("jbos").usage("\"jbos\" is not a command: did you mean jobs?"),
        exportctl("key lst").usage("\"lst\" is not a command: did you mean list?"),
        exportctl("wibble").usage("\"wibble\" is not a command: --help lists the commands"),
        exportctl("jobs --stauts failed").usage("--stauts is not an option: did you mean --status?"),
        exportctl("jobs --status done")
            .usage("--status must be pending, processing, completed, failed or expired, not \"done\""),
        exportctl("jobs --limit 0").usage("--limit must be 1 to 10000, not \"0\""),
        exportctl("jobs --json --json").usage("--json must be given only once"),
        exportctl("key create").usage("--project must be given"),
        exportctl("key create --project acme")
            .usage("--project must be proj_ followed by 1 to 64 letters, digits, '_' or '-', not \"acme\""),
        exportctl("key create --project proj_a --scope admin")
            .usage("--scope must be read or write, not \"admin\""),
        exportctl("key create --project proj_a --expires 90")
            .usage("--expires must be a time with a unit such as 90s, 15m or 7d, not \"90\""),
        exportctl("key create --project proj_nobody")
            .fails("project proj_nobody does not exist: create it with 'exportctl project create proj_nobody'"),
        exportctl("project suspend proj_nobody")
            .fails("project proj_nobody does not exist: create it with 'exportctl project create proj_nobody'"),
        exportctl("project create").usage("PROJECT must be given"),
        exportctl("project create acme")
            .usage("PROJECT must be proj_ followed by 1 to 64 letters, digits, '_' or '-', not \"acme\""),
        exportctl("key revoke exk_00000000")
            .fails("no such key: 'exportctl key list' shows ids and first characters"),
        exportctl("job fail 7 --reason no").usage("ID must be a UUID, not \"7\""),
        exportctl(&format!("job requeue {NOBODY}"))
            .fails(format!("export {NOBODY} does not exist: 'exportctl jobs' lists active exports")),
        exportctl("migrate --api-role same --worker-role same")
            .fails("--api-role and --worker-role are the same: each program needs its own role"),
    ]
}
