//! Secrets from files: `*_FILE`.

use crate::table::{Mistake, api, exportctl, worker};
use crate::world::{World, set_mode};

pub(crate) fn mistakes(world: &World) -> Vec<Mistake> {
    let missing = world.missing();
    let missing = missing.display();
    let unreadable = world.file("unreadable", "secret");
    set_mode(&unreadable, 0o000);
    let unreadable = unreadable.display();
    let empty = world.file("empty", "\n");
    let empty = empty.display();
    let large = world.file("large", &"x".repeat(70_000));
    let large = large.display();
    let folder = world.directory("folder");
    let folder = folder.display();
    let secret = world.file("secret", "hush-hush-hush\n");
    let secret = secret.display();
    vec![
        exportctl("admin jobs")
            .unset("DATABASE_URL")
            .set("DATABASE_URL_FILE", missing.to_string())
            .usage(format!("DATABASE_URL_FILE: cannot read {missing}: it does not exist")),
        worker()
            .unset("DATABASE_URL")
            .set("DATABASE_URL_FILE", unreadable.to_string())
            .unprivileged()
            .usage(format!("DATABASE_URL_FILE: cannot read {unreadable}: permission denied")),
        worker()
            .unset("DATABASE_URL")
            .set("DATABASE_URL_FILE", folder.to_string())
            .usage(format!("DATABASE_URL_FILE: cannot read {folder}: it is a directory")),
        worker()
            .unset("DATABASE_URL")
            .set("DATABASE_URL_FILE", empty.to_string())
            .usage(format!("DATABASE_URL_FILE: {empty} is empty: write the secret into it")),
        worker()
            .unset("DATABASE_URL")
            .set("DATABASE_URL_FILE", "")
            .usage("DATABASE_URL_FILE must be the path of a file, and is empty"),
        api()
            .unset("EXPORTS_SIGNING_KEY")
            .set("EXPORTS_SIGNING_KEY_FILE", large.to_string())
            .usage(format!("EXPORTS_SIGNING_KEY_FILE: cannot read {large}: it is larger than 64 KiB")),
        api()
            .unset("EXPORTS_SIGNING_KEY")
            .set("EXPORTS_SIGNING_KEY_FILE", secret.to_string())
            .usage(format!("EXPORTS_SIGNING_KEY_FILE ({secret}) must be 32 bytes or more: it has 14")),
        api()
            .set("EXPORTS_SIGNING_KEY_FILE", secret.to_string())
            .usage("EXPORTS_SIGNING_KEY and EXPORTS_SIGNING_KEY_FILE are both set: unset one of them"),
        worker()
            .set("AWS_SECRET_ACCESS_KEY_FILE", secret.to_string())
            .fails("AWS_SECRET_ACCESS_KEY and AWS_SECRET_ACCESS_KEY_FILE are both set: unset one of them"),
        worker()
            .unset("AWS_SECRET_ACCESS_KEY")
            .set("AWS_SECRET_ACCESS_KEY_FILE", missing.to_string())
            .fails(format!("AWS_SECRET_ACCESS_KEY_FILE: cannot read {missing}: it does not exist")),
        worker()
            .unset("AWS_SECRET_ACCESS_KEY")
            .set("AWS_SECRET_ACCESS_KEY_FILE", empty.to_string())
            .fails(format!("AWS_SECRET_ACCESS_KEY_FILE: {empty} is empty: write the secret into it")),
        worker()
            .unset("AWS_SECRET_ACCESS_KEY")
            .set("AWS_SECRET_ACCESS_KEY_FILE", secret.to_string())
            .fails(format!("AWS_SECRET_ACCESS_KEY_FILE ({secret}): the store rejects the credentials: correct the secret key, which must belong to the access key id (SignatureDoesNotMatch)")),
        exportctl("admin jobs")
            .unset("DATABASE_URL")
            .set("DATABASE_URL_FILE", secret.to_string())
            .fails(format!("DATABASE_URL_FILE ({secret}) must be postgres://user:password@host:port/database")),
        exportctl("admin jobs")
            .set("PGPASSWORD_FILE", secret.to_string())
            .usage("PGPASSWORD_FILE is not a setting: use DATABASE_URL_FILE, or PGPASSFILE"),
    ]
}
