//! What `exportctl` says about itself, and the old spellings of operators' commands.

mod run;

use std::process::Command;

use exports_tests::{Fixture, StoreKind, program};

use run::{admin, database, exportctl};

/// What bash proposes for a line that is being typed.
fn proposals(typed: &str) -> Vec<String> {
    let script = r#"
        source <("$0" completions bash)
        read -ra COMP_WORDS <<<"$1"
        [[ $1 == *' ' ]] && COMP_WORDS+=('')
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _exportctl exportctl "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}""#;
    let mut bash = Command::new("bash");
    let output = bash
        .arg("-c")
        .arg(script)
        .arg(program("exportctl"))
        .arg(typed)
        .output();
    let output = output.expect("bash runs");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_and_options() {
    assert_eq!(proposals("exportctl exp"), ["export"]);
    assert!(proposals("exportctl admin ").contains(&"migrate".to_owned()));
    assert_eq!(proposals("exportctl webhook create --ev"), ["--event"]);
}

#[tokio::test]
async fn zsh_and_fish_have_completions_too() {
    for (shell, start) in [("zsh", "#compdef exportctl"), ("fish", "# Print")] {
        let script = exportctl(&[], &format!("completions {shell}")).await.ok();
        assert!(script.starts_with(start), "{shell}: {}", &script[..100]);
        assert!(script.contains("download") && script.contains("max-rows-per-file"));
    }
    let unknown = exportctl(&[], "completions csh").await;
    assert_eq!(unknown.code, Some(2), "{}", unknown.err);
}

#[tokio::test]
async fn every_command_has_a_man_page() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    exportctl(&[], &format!("man {path}")).await.ok();
    let page = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert!(page("exportctl.1").contains(".SH SUBCOMMANDS"));
    assert!(page("exportctl-export-create.1").contains("max\\-rows\\-per\\-file"));
    assert!(page("exportctl-admin-key-rotate.1").contains(".SH OPTIONS"));
    let nowhere = exportctl(&[], "man /proc/nowhere").await.error();
    assert!(
        nowhere.contains("cannot write to /proc/nowhere"),
        "{nowhere}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn old_spellings_work_and_name_the_new_one() {
    let database = database().await;
    let environment = [("DATABASE_URL", database.url())];
    for command in [
        "key list",
        "jobs",
        "webhook list",
        "webhook list --project proj_a",
    ] {
        let new = admin(&environment, command).await;
        let old = exportctl(&environment, command).await;
        assert_eq!((old.code, &old.out), (Some(0), &new.out), "{command}");
        let word = command.split(' ').next().unwrap();
        let note = format!("note: 'exportctl {word}' is now 'exportctl admin {word}'");
        assert!(old.err.starts_with(&note), "{}", old.err);
        assert!(!new.err.contains("note:"), "{}", new.err);
    }
    // For a consumer, the same words are a command on the API.
    let api = Fixture::builder().store(StoreKind::File).start().await;
    let environment = [
        ("DATABASE_URL", database.url()),
        ("EXPORTS_API_URL", api.api().base()),
        ("EXPORTS_API_KEY", api.key()),
    ];
    let list = exportctl(&environment, "webhook list").await;
    assert!(
        list.err.starts_with("There are no webhooks."),
        "{}",
        list.err
    );
}
