//! The tutorial.

use crate::script::{Given, steps_of};
use crate::session::Session;

#[tokio::test(flavor = "multi_thread")]
async fn the_tutorial_works_from_make_dev_to_the_deleted_export() {
    let session = Session::new();
    // The Makefile builds the programs for release, and exports a million messages.
    session.tool(
        "make",
        "[ \"$*\" = dev ] && exec exportctl dev --messages 20000",
    );
    let mut given = Given::default();
    given.set(
        "API",
        "$(grep -m 1 -oE 'http://127\\.0\\.0\\.1:[0-9]+' background.log)",
    );
    given.set("KEY", "$(grep -m 1 -oE 'exk_[0-9a-f]{64}' background.log)");
    session.run(&steps_of(&["docs/tutorial.md"], &given)).await;
}
