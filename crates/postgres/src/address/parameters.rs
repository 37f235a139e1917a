//! The syntax of an address: splits a URL or a `keyword=value` string into parameters, as libpq does.
//!
//! Errors of this module never quote a value, because it may be a password.

use percent_encoding::percent_decode_str;

use super::unencoded::refuse_unencoded_slash;
use crate::error::UrlError;

/// Parameters by name. A later value replaces an earlier one.
#[derive(Debug, Default)]
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// A value that is not empty. As in libpq, an empty value counts as unset.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(known, _)| known == name)?;
        (!value.is_empty()).then_some(value)
    }

    pub(super) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.0.retain(|(known, _)| known != name);
        self.0.push((name.to_owned(), value.into()));
    }

    /// Sets a parameter that is unset.
    pub(super) fn add(&mut self, name: &str, value: &str) {
        if self.get(name).is_none() {
            self.set(name, value);
        }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// A parameter that is one of some words: the meaning of its word.
    pub(super) fn one_of<T: Copy>(
        &self,
        name: &str,
        words: &[(&str, T)],
    ) -> Result<Option<T>, UrlError> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == value) {
            return Ok(Some(*meaning));
        }
        let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        Err(not_one_of(name, value, &words))
    }

    pub(super) fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, UrlError> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        match text.trim().parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(part(format!("{name} must be a number, not {text:?}"))),
        }
    }
}

pub(super) fn parse(text: &str) -> Result<Parameters, UrlError> {
    let rest = ["postgres://", "postgresql://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme));
    match rest {
        Some(rest) => url(rest),
        None if text.contains('=') && !text.contains("://") => pairs(text),
        None => Err(UrlError::Scheme),
    }
}

fn url(text: &str) -> Result<Parameters, UrlError> {
    refuse_unencoded_slash(text)?;
    let mut parameters = Parameters::default();
    let rest = match user_end(text) {
        None => text,
        Some(end) => {
            let (user, password) = text[..end].split_once(':').unwrap_or((&text[..end], ""));
            set_decoded(&mut parameters, "user", user)?;
            set_decoded(&mut parameters, "password", password)?;
            &text[end + 1..]
        }
    };
    let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (hosts, path) = before.split_once('/').unwrap_or((before, ""));
    let (hosts, ports) = hosts_and_ports(hosts)?;
    set_decoded(&mut parameters, "host", &hosts)?;
    set_decoded(&mut parameters, "port", &ports)?;
    set_decoded(&mut parameters, "dbname", path)?;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let Some((name, value)) = pair.split_once('=') else {
            // Not quoted: it can be a part of a password that contains a `?`.
            return Err(part("a parameter after '?' has no '='"));
        };
        let name = decoded("the name of a parameter", name)?;
        if value.contains('=') && !is_free_text(&name) {
            return Err(part(format!(
                "{name} has a second '=': percent-encode it as %3D"
            )));
        }
        let value = decoded(&name, value)?;
        set_known(&mut parameters, &name, &value);
    }
    Ok(parameters)
}

/// The position of the `@` that ends user and password. These may contain an unencoded `@` or `?`,
/// so it is the last `@` before a `?`, else the last before the first `/`.
fn user_end(text: &str) -> Option<usize> {
    let authority = text.split('/').next()?;
    let before_query = authority.split('?').next()?;
    before_query.rfind('@').or_else(|| authority.rfind('@'))
}

/// These may contain an unencoded `=`, as in sqlx.
fn is_free_text(name: &str) -> bool {
    name.starts_with("options") || matches!(name, "password" | "application_name" | "sslrootcert")
}

/// Splits `a,b:1,[::1]:2` into `a,b,::1` and `,1,2`.
fn hosts_and_ports(text: &str) -> Result<(String, String), UrlError> {
    let (mut hosts, mut ports) = (Vec::new(), Vec::new());
    for host in text.split(',') {
        let (name, port) = match host.strip_prefix('[') {
            Some(rest) => {
                let (name, rest) = rest
                    .split_once(']')
                    .ok_or_else(|| part("an IPv6 address lacks its ']'"))?;
                if name.is_empty() {
                    return Err(part("there is no IPv6 address between '[' and ']'"));
                }
                match rest.strip_prefix(':') {
                    Some(port) => (name, port),
                    None if rest.is_empty() => (name, ""),
                    None => return Err(part("expected ':' after the ']' of an IPv6 address")),
                }
            }
            None => host.split_once(':').unwrap_or((host, "")),
        };
        hosts.push(name);
        ports.push(port);
    }
    if ports.iter().all(|port| port.is_empty()) {
        ports.clear();
    }
    Ok((hosts.join(","), ports.join(",")))
}

fn set_decoded(parameters: &mut Parameters, name: &str, text: &str) -> Result<(), UrlError> {
    if !text.is_empty() {
        parameters.set(name, decoded(name, text)?);
    }
    Ok(())
}

/// Sets a parameter. Translates the names of other drivers into those of libpq.
fn set_known(parameters: &mut Parameters, name: &str, value: &str) {
    match name {
        "ssl-mode" => parameters.set("sslmode", value),
        "ssl-root-cert" | "ssl-ca" => parameters.set("sslrootcert", value),
        "ssl-cert" => parameters.set("sslcert", value),
        "ssl-key" => parameters.set("sslkey", value),
        // JDBC.
        "ssl" if value == "true" => parameters.set("sslmode", "require"),
        "requiressl" if value != "1" => {}
        "requiressl" => parameters.set("sslmode", "require"),
        _ => match name
            .strip_prefix("options[")
            .and_then(|k| k.strip_suffix(']'))
        {
            // sqlx: a setting of the server.
            Some(setting) => {
                let mut options = parameters.get("options").unwrap_or_default().to_owned();
                if !options.is_empty() {
                    options.push(' ');
                }
                let value = value.replace('\\', "\\\\").replace(' ', "\\ ");
                parameters.set("options", format!("{options}-c {setting}={value}"));
            }
            None => parameters.set(name, value),
        },
    }
}

fn decoded(name: &str, text: &str) -> Result<String, UrlError> {
    let bytes = text.as_bytes();
    let is_hex = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
    let mut percents = text.match_indices('%').map(|(at, _)| at);
    if !percents.all(|at| is_hex(at + 1) && is_hex(at + 2)) {
        let subject = match name {
            "user" | "password" | "host" => format!("the {name}"),
            name => name.to_owned(),
        };
        return Err(part(format!(
            "{subject} contains '%' without two hexadecimal digits after it: percent-encode it as %25"
        )));
    }
    let text = percent_decode_str(text)
        .decode_utf8()
        .map_err(|_| part(format!("{name} is not UTF-8")))?;
    if text.contains('\0') {
        return Err(part(format!("{name} contains a NUL character")));
    }
    Ok(text.into_owned())
}

/// `host=a port='1 2' …`, with quotes and backslashes as in libpq.
fn pairs(text: &str) -> Result<Parameters, UrlError> {
    let mut parameters = Parameters::default();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (name, value) = rest
            .split_once('=')
            .ok_or_else(|| part("a parameter has no '='"))?;
        let name = name.trim_end();
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(part("expected keyword=value pairs"));
        }
        let (value, after) = pair_value(value.trim_start())?;
        set_known(&mut parameters, name, &value);
        rest = after.trim_start();
    }
    Ok(parameters)
}

/// A value, and the text after it.
fn pair_value(text: &str) -> Result<(String, &str), UrlError> {
    let (text, is_quoted) = match text.strip_prefix('\'') {
        Some(text) => (text, true),
        None => (text, false),
    };
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            '\'' if is_quoted => return Ok((value, &text[at + 1..])),
            space if space.is_whitespace() && !is_quoted => return Ok((value, &text[at..])),
            _ => value.push(character),
        }
    }
    if is_quoted {
        return Err(part("a value lacks its closing quote"));
    }
    Ok((value, ""))
}

/// The value of a parameter is none of its words.
pub(crate) fn not_one_of(name: &str, value: &str, words: &[&str]) -> UrlError {
    let listed = match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    };
    part(format!("{name} must be {listed}, not {value:?}"))
}

pub(super) fn part(text: impl Into<String>) -> UrlError {
    UrlError::Part(text.into())
}
