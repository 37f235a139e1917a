//! Password files (`passfile=…`, `PGPASSFILE` or `~/.pgpass`): lines of
//! `host:port:database:user:password`.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The lines of a password file.
#[derive(Debug, Default)]
pub(super) struct PasswordFile {
    lines: Vec<[String; 5]>,
    /// Why the file is ignored, for the user.
    pub(super) problem: Option<String>,
}

impl PasswordFile {
    /// As in libpq, a missing default file has no passwords.
    pub(super) fn read(path: &Path, is_named: bool) -> Self {
        let unused = |problem: String| Self {
            lines: Vec::new(),
            problem: Some(format!("password file {} {problem}", path.display())),
        };
        let metadata = match path.metadata() {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !is_named => {
                return Self::default();
            }
            Err(error) => return unused(format!("is ignored: {error}")),
        };
        if !metadata.is_file() {
            return unused("is ignored: it is not a regular file".to_owned());
        }
        if metadata.permissions().mode() & 0o077 != 0 {
            return unused(
                "is ignored: group or others can read it; set its mode to 0600".to_owned(),
            );
        }
        match std::fs::read_to_string(path) {
            Ok(text) => Self {
                lines: text.lines().filter_map(fields).collect(),
                problem: None,
            },
            Err(error) => unused(format!("is ignored: {error}")),
        }
    }

    /// The password of the first matching line.
    pub(super) fn password(&self, wanted: [&str; 4]) -> Option<&str> {
        let matches = |line: &&[String; 5]| {
            let mut fields = line.iter().zip(wanted);
            fields.all(|(field, wanted)| field == "*" || field == &format!("={wanted}"))
        };
        self.lines.iter().find(matches).map(|line| &line[4][1..])
    }
}

/// The five fields: `*` for one that matches everything, else `=` and the text.
fn fields(line: &str) -> Option<[String; 5]> {
    if line.starts_with('#') {
        return None;
    }
    let mut fields = vec![String::from("=")];
    let mut is_escaped = false;
    let mut characters = line.trim_end_matches('\r').chars();
    while let Some(character) = characters.next() {
        let is_last = fields.len() == 5;
        let field = fields.last_mut()?;
        match character {
            '\\' => {
                is_escaped = true;
                field.extend(characters.next());
            }
            ':' if !is_last => {
                if field == "=*" && !is_escaped {
                    "*".clone_into(field);
                }
                is_escaped = false;
                fields.push(String::from("="));
            }
            // As in libpq, the password ends at the next colon.
            ':' => break,
            other => field.push(other),
        }
    }
    fields.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password<'a>(file: &'a PasswordFile, host: &str, user: &str) -> Option<&'a str> {
        file.password([host, "5432", "e", user])
    }

    #[test]
    fn the_first_matching_line_gives_the_password() {
        let text = "# a:5432:e:u:comment\na:1:e:u:other port\nbroken\na:*:e:u:with\\:colon\n*:*:*:v\\\\:any\nb:5432:\\*:u:star\n";
        let file = PasswordFile {
            lines: text.lines().filter_map(fields).collect(),
            problem: None,
        };
        assert_eq!(password(&file, "a", "u"), Some("with:colon"));
        assert_eq!(password(&file, "b", "v\\"), Some("any"));
        assert_eq!(password(&file, "b", "u"), None);
        assert_eq!(password(&file, "c", "u"), None);
    }
}
