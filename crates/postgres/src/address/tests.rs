//! Parsing of database URLs and connection strings.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::tls::{Roots, SslMode};

fn environment() -> Environment {
    Environment {
        user: "me".to_owned(),
        ..Environment::default()
    }
}

fn parse(text: &str) -> Address {
    Address::parse_in(text, &environment()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refusal(text: &str) -> String {
    match Address::parse_in(text, &environment()) {
        Ok(address) => panic!("{text} is accepted: {address:?}"),
        Err(error) => error.to_string(),
    }
}

/// `user password@host:port … /database`.
fn shown(address: &Address) -> String {
    let hosts: Vec<_> = address.hosts.iter().map(Host::shown).collect();
    let password = address.hosts[0].password.as_ref();
    format!(
        "{} {}@{}/{}",
        address.user,
        password.map_or("-", |password| &password.0),
        hosts.join(","),
        address.database.as_deref().unwrap_or("-")
    )
}

#[test]
fn addresses_are_parsed_as_in_libpq() {
    for (text, meaning) in [
        ("postgres://h", "me -@h:5432/-"),
        ("postgresql://h/e", "me -@h:5432/e"),
        ("postgres://h/e\n", "me -@h:5432/e"),
        ("postgres://u@h:1/e", "u -@h:1/e"),
        ("postgres://u:p@h/e", "u p@h:5432/e"),
        ("postgres://u:@h/e", "u -@h:5432/e"),
        (
            "postgres://u%40x:p%40%3A%2F%25@h/e%20f",
            "u@x p@:/%@h:5432/e f",
        ),
        ("postgres://u:a@b@h/e", "u a@b@h:5432/e"),
        ("postgres://u:a?b#c@h/e?sslmode=disable", "u a?b#c@h:5432/e"),
        ("postgres://u:a:b@h/e", "u a:b@h:5432/e"),
        ("postgres://u@[::1]:1/e", "u -@[::1]:1/e"),
        (
            "postgres://[fe80::1%25eth0]/e",
            "me -@[fe80::1%eth0]:5432/e",
        ),
        ("postgres://a,b:1,[::1]:2/e", "me -@a:5432,b:1,[::1]:2/e"),
        ("postgres://a:1,b:2/e", "me -@a:1,b:2/e"),
        ("postgres://%2Frun%2Fpg/e", "me -@/run/pg:5432/e"),
        ("postgres://u:p@/e?host=/run/pg&port=1", "u p@/run/pg:1/e"),
        (
            "postgres:///e?host=/run/a,b&port=1,2",
            "me -@/run/a:1,b:2/e",
        ),
        ("postgres://h?dbname=e&user=u&password=p", "u p@h:5432/e"),
        ("postgres://h/e?host=other", "me -@other:5432/e"),
        ("postgres://h/e?port=7", "me -@h:7/e"),
        ("postgres://a,b/e?port=7", "me -@a:7,b:7/e"),
        (
            "postgres://h/e?hostaddr=127.0.0.1",
            "me -@h:5432 (127.0.0.1)/e",
        ),
        ("postgres:///e?hostaddr=::1", "me -@[::1]:5432/e"),
        ("postgres:///e?host=%5B::1%5D", "me -@[::1]:5432/e"),
        (
            "host=h port=1 dbname=e user=u password='p \\'q'",
            "u p 'q@h:1/e",
        ),
        ("host = h  dbname=e", "me -@h:5432/e"),
        ("postgres://h/e?password=a=b", "me a=b@h:5432/e"),
        ("postgres://@h/e", "me -@h:5432/e"),
        ("postgres://h/e?", "me -@h:5432/e"),
        ("postgres://h/e?&user=u&", "u -@h:5432/e"),
    ] {
        assert_eq!(shown(&parse(text)), meaning, "{text}");
    }
}

#[test]
fn parameters_set_the_fields_of_the_address() {
    let address = parse(
        "postgres://h/e?target_session_attrs=read-write&connect_timeout=3&options=-c%20a=b&application_name=x%20y\
         &sslmode=verify-ca&sslrootcert=/ca.pem&sslcert=/c.pem&sslkey=/c.key&load_balance_hosts=random",
    );
    assert_eq!(address.target, TargetSession::ReadWrite);
    assert_eq!(address.connect_timeout, Some(Duration::from_secs(3)));
    assert_eq!(address.options.as_deref(), Some("-c a=b"));
    assert_eq!(address.application_name.as_deref(), Some("x y"));
    assert_eq!(address.tls.mode, SslMode::VerifyCa);
    assert!(address.tls.client.is_some() && address.shuffle);
    assert_eq!(
        parse("postgres://h?sslrootcert=system").tls.mode,
        SslMode::VerifyFull
    );
    assert_eq!(parse("postgres://h?ssl=true").tls.mode, SslMode::Require);
    assert_eq!(
        parse("postgres://h?ssl-mode=require").tls.mode,
        SslMode::Require
    );
    assert_eq!(parse("postgres://h").tls.mode, SslMode::Prefer);
    assert_eq!(parse("postgres://h").tls.roots, Roots::Unset);
    let settings = parse("postgres://h?options[a]=1&options[b]=x%20y").options;
    assert_eq!(settings.as_deref(), Some("-c a=1 -c b=x\\ y"));
    // Parameters of libpq that are accepted and ignored.
    for unused in [
        "gssencmode=prefer",
        "channel_binding=prefer",
        "keepalives=1&keepalives_idle=30&keepalives_interval=5&keepalives_count=3",
        "tcp_user_timeout=1000",
        "client_encoding=UTF8",
        "fallback_application_name=x",
        "krbsrvname=postgres",
        "sslcompression=0",
        "statement-cache-capacity=0",
        "ssl_min_protocol_version=TLSv1.2",
    ] {
        parse(&format!("postgres://h/e?{unused}"));
    }
}

#[test]
fn errors_are_one_line_and_do_not_contain_the_password() {
    for (text, reason) in [
        ("", "must be postgres://"),
        ("h/e", "must be postgres://"),
        ("mysql://u:hunter2@h/e", "must be postgres://"),
        ("http://h/e?a=b", "must be postgres://"),
        (
            "postgres://u:hunter2@h:70000/e",
            "the port must be 1 to 65535",
        ),
        ("postgres://u:hunter2@h:0/e", "the port must be 1 to 65535"),
        ("postgres://u:hun/ter2@h/e", "the password contains '/'"),
        ("postgres://u:hunter2%@h/e", "the password contains '%'"),
        ("postgres://u:hunter2%ff@h/e", "password is not UTF-8"),
        ("postgres://u:hunter2%00@h/e", "password contains a NUL"),
        ("postgres://u:hunter2@[::1/e", "lacks its ']'"),
        ("postgres://u:hunter2@[::1]x/e", "after the ']'"),
        ("postgres://u:hunter2@[]/e", "no IPv6 address"),
        (
            "postgres://u:hunter2@h/e?sslmod=require",
            "\"sslmod\" is not a parameter",
        ),
        (
            "postgres://u:hunter2@h/e?sslmode=on",
            "sslmode must be disable, allow",
        ),
        ("postgres://u:hunter2@h/e?verbose", "has no '='"),
        (
            "postgres://u:hunter2@h/e?sslmode=a=b",
            "sslmode has a second '='",
        ),
        (
            "postgres://u:hunter2@h/e?target_session_attrs=master",
            "must be any, read-write",
        ),
        (
            "postgres://u:hunter2@a,b,c/e?port=1,2",
            "2 ports but 3 hosts",
        ),
        (
            "postgres://u:hunter2@a,b/e?hostaddr=127.0.0.1",
            "2 hosts but 1 addresses in hostaddr",
        ),
        (
            "postgres://u:hunter2@h/e?hostaddr=h",
            "\"h\" is not an IP address",
        ),
        (
            "postgres://u:hunter2@h/e?connect_timeout=soon",
            "connect_timeout must be a number",
        ),
        ("postgres://u:hunter2@h/e?sslcert=/c.pem", "needs sslkey"),
        (
            "postgres://u:hunter2@h/e?sslrootcert=system&sslmode=require",
            "needs sslmode=verify-full",
        ),
        (
            "postgres://u:hunter2@h/e?gssencmode=require",
            "gssencmode=require is not supported",
        ),
        (
            "postgres://u:hunter2@h/e?sslcrl=/crl.pem",
            "sslcrl is not supported",
        ),
        (
            "postgres://u:hunter2@h/e?ssl_max_protocol_version=TLSv1.1",
            "neither TLSv1.2 nor TLSv1.3",
        ),
        (
            "postgres://u:hunter2@h/e?require_auth=hope",
            "require_auth: expected some of",
        ),
        (
            "postgres://u:hunter2@h/e?service=none",
            "there is no service \"none\"",
        ),
        ("postgres://u:hunter2@h e/e", "is not the name of a host"),
        ("host=h password='hunter2", "lacks its closing quote"),
        ("host=h hunter2", "has no '='"),
    ] {
        let line = refusal(text);
        assert!(line.contains(reason), "{text}: {line}");
        assert!(
            !line.contains('\n') && !line.contains("hunter2") && !line.contains("ter2"),
            "{line}"
        );
    }
    let printed = format!("{:?}", parse("postgres://u:hunter2@h/e"));
    assert!(!printed.contains("hunter2"), "{printed}");
}

#[test]
fn unset_parameters_come_from_environment_variables() {
    let mut environment = environment();
    for (name, value) in [
        ("PGHOST", "h"),
        ("PGPORT", "1"),
        ("PGUSER", "u"),
        ("PGPASSWORD", "p"),
        ("PGDATABASE", "e"),
        ("PGSSLMODE", "require"),
        ("PGAPPNAME", "name"),
        ("PGTARGETSESSIONATTRS", "primary"),
        ("PGOPTIONS", ""),
    ] {
        environment
            .variables
            .insert(name.to_owned(), value.to_owned());
    }
    let address = Address::parse_in("postgres://", &environment).unwrap();
    assert_eq!(shown(&address), "u p@h:1/e");
    assert_eq!(address.tls.mode, SslMode::Require);
    assert_eq!(address.application_name.as_deref(), Some("name"));
    assert_eq!(address.target, TargetSession::Primary);
    assert_eq!(address.options, None);
    let address = Address::parse_in("postgres://v@i:2/f?sslmode=disable", &environment).unwrap();
    assert_eq!(shown(&address), "v p@i:2/f");
    assert_eq!(address.tls.mode, SslMode::Disable);
}

/// A temporary home directory.
struct Home(PathBuf);

impl Home {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("exports-home-{}", uuid::Uuid::new_v4()));
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    fn write(&self, name: &str, text: &str, mode: u32) -> String {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path.display().to_string()
    }

    fn environment(&self) -> Environment {
        Environment {
            home: Some(self.0.clone()),
            ..environment()
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

#[test]
fn passwords_are_read_from_a_password_file() {
    let home = Home::new();
    home.write(
        ".pgpass",
        "a:5432:e:me:first\nb:*:*:*:second\nlocalhost:*:*:*:socket\n",
        0o600,
    );
    let environment = home.environment();
    let address = Address::parse_in("postgres://a,b,c/e", &environment).unwrap();
    let passwords = address
        .hosts
        .iter()
        .map(|host| Some(host.password.as_ref()?.0.as_str()));
    assert_eq!(
        passwords.collect::<Vec<_>>(),
        [Some("first"), Some("second"), None]
    );
    let socket = Address::parse_in("postgres:///e?host=/tmp", &environment).unwrap();
    assert_eq!(shown(&socket), "me socket@/tmp:5432/e");
    let given = Address::parse_in("postgres://me:own@a/e", &environment).unwrap();
    assert_eq!(shown(&given), "me own@a:5432/e");

    let other = home.write("other", "*:*:*:*:other\n", 0o600);
    let named = Address::parse_in(&format!("postgres://a/e?passfile={other}"), &environment);
    assert_eq!(shown(&named.unwrap()), "me other@a:5432/e");
    let open = home.write("open", "*:*:*:*:hunter2\n", 0o644);
    for (file, problem) in [(open.as_str(), "0600"), ("/nowhere/at/all", "No such file")] {
        let text = format!("postgres://a/e?passfile={file}");
        let address = Address::parse_in(&text, &environment).unwrap();
        assert_eq!(address.hosts[0].password, None);
        let found = address.passfile_problem.unwrap();
        assert!(
            found.contains(problem) && !found.contains("hunter2"),
            "{found}"
        );
    }
}

#[test]
fn a_service_sets_unset_parameters() {
    let home = Home::new();
    home.write(
        ".pg_service.conf",
        "# ours\n[first]\nhost=a\n\n[second]\nhost = b\nport=1\nuser=u\npassword=hunter2\ndbname=e\n[bad]\nhost=c\nhunter2\n[typo]\nhots=c\n",
        0o644,
    );
    let environment = home.environment();
    let address = |text: &str| Address::parse_in(text, &environment);
    assert_eq!(
        shown(&address("postgres://?service=second").unwrap()),
        "u hunter2@b:1/e"
    );
    assert_eq!(
        shown(&address("service=second user=v").unwrap()),
        "v hunter2@b:1/e"
    );
    assert_eq!(
        shown(&address("postgres://?service=first").unwrap()),
        "me -@a:5432/-"
    );
    for (service, reason) in [
        ("bad", "line 13"),
        ("typo", "\"hots\""),
        ("third", "no service"),
    ] {
        let refused = address(&format!("postgres://?service={service}"));
        let refused = refused.unwrap_err().to_string();
        assert!(
            refused.contains(reason) && !refused.contains("hunter2"),
            "{refused}"
        );
    }
    let file = home.write("elsewhere.conf", "[third]\nhost=d\n", 0o644);
    let mut elsewhere = environment.clone();
    elsewhere.variables.insert("PGSERVICEFILE".to_owned(), file);
    elsewhere
        .variables
        .insert("PGSERVICE".to_owned(), "third".to_owned());
    let address = Address::parse_in("postgres:///e", &elsewhere).unwrap();
    assert_eq!(shown(&address), "me -@d:5432/e");
}

#[test]
fn certificates_in_the_home_directory_are_used_as_in_libpq() {
    let home = Home::new();
    for name in ["root.crt", "postgresql.crt", "postgresql.key"] {
        home.write(&format!(".postgresql/{name}"), "", 0o600);
    }
    let tls = Address::parse_in("postgres://a", &home.environment())
        .unwrap()
        .tls;
    assert!(matches!(tls.roots, Roots::File(_)));
    assert_eq!(tls.verify(), crate::tls::Verify::Authority);
    assert!(tls.client.is_some());
}
