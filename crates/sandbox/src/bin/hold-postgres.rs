//! Runs the tests' PostgreSQL until its stdin ends: a scratch server for `psql`, and an owner that this crate's tests kill.

use std::io::{Read, Write, stdin, stdout};

use exports_sandbox::Server;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::for_tests()?;
    let folder = server.private().and_then(|postgres| postgres.folder());
    println!("{}", server.url());
    println!("{}", folder.unwrap_or("-".as_ref()).display());
    stdout().flush()?;
    stdin().read_to_end(&mut Vec::new())?;
    if let Server::Private(postgres) = server {
        postgres.stop()?;
    }
    Ok(())
}
