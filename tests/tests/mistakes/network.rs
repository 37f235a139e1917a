//! Listeners and their certificates.

use crate::table::{Mistake, api, worker};
use crate::world::{World, set_mode};

pub(crate) fn mistakes(world: &World) -> Vec<Mistake> {
    let mut all = addresses(world);
    all.extend(certificates(world));
    all
}

fn addresses(world: &World) -> Vec<Mistake> {
    let taken = world.taken_address();
    vec![
        api()
            .set("EXPORTS_LISTEN", &taken)
            .fails(format!("EXPORTS_LISTEN: cannot listen on {taken}: the port is in use: stop the other program, or choose another port")),
        api()
            .set("EXPORTS_METRICS_LISTEN", &taken)
            .fails(format!("EXPORTS_METRICS_LISTEN: cannot listen on {taken}: the port is in use: stop the other program, or choose another port")),
        worker()
            .set("EXPORTS_HEALTH_LISTEN", &taken)
            .fails(format!("EXPORTS_HEALTH_LISTEN: cannot listen on {taken}: the port is in use: stop the other program, or choose another port")),
        api()
            .set("EXPORTS_LISTEN", "192.0.2.7:8080")
            .fails("EXPORTS_LISTEN: cannot listen on 192.0.2.7:8080: the address is not one of this machine: use one of its addresses, or 0.0.0.0"),
        api()
            .set("EXPORTS_LISTEN", "127.0.0.1:1")
            .unprivileged()
            .fails("EXPORTS_LISTEN: cannot listen on 127.0.0.1:1: permission denied: use a port from 1024"),
    ]
}

fn certificates(world: &World) -> Vec<Mistake> {
    let certificate = World::certificate("server.pem");
    let key = World::certificate("server.key");
    let other_key = World::certificate("libpq/leaf.key");
    let missing = world.missing();
    let unreadable = world.file("unreadable.key", "");
    set_mode(&unreadable, 0o000);
    let pair = |certificate: &std::path::Path, key: &std::path::Path| {
        api()
            .set("EXPORTS_TLS_CERT", certificate.display().to_string())
            .set("EXPORTS_TLS_KEY", key.display().to_string())
    };
    let (missing_text, unreadable_text) = (missing.display(), unreadable.display());
    let (certificate_text, key_text, other_text) =
        (certificate.display(), key.display(), other_key.display());
    vec![
        api()
            .set("EXPORTS_TLS_CERT", certificate_text.to_string())
            .fails("EXPORTS_TLS_KEY must be set with EXPORTS_TLS_CERT"),
        api()
            .set("EXPORTS_TLS_KEY", key_text.to_string())
            .fails("EXPORTS_TLS_CERT must be set with EXPORTS_TLS_KEY"),
        pair(&missing, &key).fails(format!(
            "EXPORTS_TLS_CERT: cannot read {missing_text}: it does not exist"
        )),
        pair(&certificate, &missing).fails(format!(
            "EXPORTS_TLS_KEY: cannot read {missing_text}: it does not exist"
        )),
        pair(&certificate, &unreadable)
            .unprivileged()
            .fails(format!(
                "EXPORTS_TLS_KEY: cannot read {unreadable_text}: permission denied"
            )),
        pair(&key, &key).fails(format!(
            "EXPORTS_TLS_CERT: {key_text} contains no certificate in PEM format"
        )),
        pair(&certificate, &certificate).fails(format!(
            "EXPORTS_TLS_KEY: {certificate_text} contains no private key in PEM format, or the key is encrypted"
        )),
        pair(&certificate, &other_key).fails(format!(
            "EXPORTS_TLS_KEY: {other_text} does not belong to the certificate of EXPORTS_TLS_CERT"
        )),
    ]
}
