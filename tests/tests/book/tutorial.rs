//! The tutorial.

use crate::script::{Given, steps_of};
use crate::session::{Session, has};

#[tokio::test(flavor = "multi_thread")]
async fn the_tutorial_works_from_make_dev_to_the_deleted_export() {
    if !has(&["curl", "jq", "python3", "sha256sum"]) {
        return;
    }
    let session = Session::new();
    // The Makefile builds the programs for release, and exports a million messages.
    session.tool(
        "make",
        "[ \"$*\" = dev ] && exec exportctl dev --messages 20000",
    );
    let mut given = Given::default();
    for name in ["EXPORTS_API_URL", "EXPORTS_API_KEY"] {
        let printed =
            format!("$(grep '^export ' background.log | grep -oE '{name}=[^ ]+' | cut -d = -f 2)");
        given.set(name, printed);
    }
    session.run(&steps_of(&["docs/tutorial.md"], &given)).await;
}
