//! The commands of `exportctl`.

use crate::table::{Mistake, exportctl};

const NOBODY: &str = "0190a1b2-0000-7000-8000-000000000000";

pub(crate) fn mistakes() -> Vec<Mistake> {
    vec![
        exportctl("admin jbos").usage("\"jbos\" is not a command: did you mean jobs?"),
        exportctl("admin key lst").usage("\"lst\" is not a command: did you mean list?"),
        exportctl("wibble").usage("\"wibble\" is not a command: --help lists the commands"),
        exportctl("admin jobs --stauts failed").usage("--stauts is not an option: did you mean --status?"),
        exportctl("admin jobs --status done")
            .usage("--status must be pending, processing, completed, failed or expired, not \"done\""),
        exportctl("admin jobs --limit 0").usage("--limit must be 1 to 10000, not \"0\""),
        exportctl("admin jobs --json --json").usage("--json must be given only once"),
        exportctl("admin key create").usage("--project must be given"),
        exportctl("admin key create --project acme")
            .usage("--project must be proj_ followed by 1 to 64 letters, digits, '_' or '-', not \"acme\""),
        exportctl("admin key create --project proj_a --scope admin")
            .usage("--scope must be read or write, not \"admin\""),
        exportctl("admin key create --project proj_a --expires 90")
            .usage("--expires must be a time with a unit such as 90s, 15m or 7d, not \"90\""),
        exportctl("admin key create --project proj_nobody")
            .fails("project proj_nobody does not exist: create it with 'exportctl admin project create proj_nobody'"),
        exportctl("admin project suspend proj_nobody")
            .fails("project proj_nobody does not exist: create it with 'exportctl admin project create proj_nobody'"),
        exportctl("admin project create").usage("PROJECT must be given"),
        exportctl("admin project create acme")
            .usage("PROJECT must be proj_ followed by 1 to 64 letters, digits, '_' or '-', not \"acme\""),
        exportctl("admin key revoke exk_00000000")
            .fails("no such key: 'exportctl admin key list' shows ids and first characters"),
        exportctl("admin job fail 7 --reason no").usage("ID must be a UUID, not \"7\""),
        exportctl(&format!("admin job requeue {NOBODY}"))
            .fails(format!("export {NOBODY} does not exist: 'exportctl admin jobs' lists active exports")),
        exportctl("admin migrate --api-role same --worker-role same")
            .fails("--api-role and --worker-role are the same: each program needs its own role"),
    ]
}
