//! Where this Debian machine gets its packages from, in the words of its own
//! configuration: `os-release`, and both formats of apt's source lists.

/// Suites of the main archive by what they are for; a machine may follow one
/// of these instead of a release by its code name.
const SUITE_ALIASES: [&str; 5] = ["stable", "testing", "unstable", "sid", "oldstable"];

/// The code name of the Debian release that an `os-release` file describes.
pub(super) fn debian_codename(os_release: &str) -> Option<String> {
    if os_release_value(os_release, "ID")? != "debian" {
        return None;
    }
    os_release_value(os_release, "VERSION_CODENAME").map(str::to_owned)
}

fn os_release_value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
    Some(value.trim().trim_matches(['"', '\'']))
}

/// An entry of the source lists, as fields of the `.sources` format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    fields: Vec<(String, String)>,
}

impl Source {
    /// The enabled entries for binary packages in a file of the `.sources` format.
    pub(super) fn parse_stanzas(text: &str) -> Vec<Self> {
        let mut stanzas = vec![Self { fields: Vec::new() }];
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if line.trim().is_empty() {
                stanzas.push(Self { fields: Vec::new() });
            } else if let Some(stanza) = stanzas.last_mut() {
                stanza.read_line(line);
            }
        }
        stanzas.retain(|stanza| stanza.has("Types", "deb") && !stanza.has("Enabled", "no"));
        stanzas
    }

    /// The entries for binary packages in a file of the one-line format.
    pub(super) fn parse_lines(text: &str) -> Vec<Self> {
        text.lines().filter_map(Self::parse_line).collect()
    }

    /// Whether this is the main archive of that release, and not its security
    /// updates or somebody else's packages.
    pub(super) fn is_main_archive_of(&self, codename: &str) -> bool {
        self.has("Suites", codename) || SUITE_ALIASES.iter().any(|alias| self.has("Suites", alias))
    }

    /// The same archive and keys with other suites.
    pub(super) fn with_suites(&self, suites: &[String]) -> String {
        let mut stanza = String::new();
        for (name, value) in &self.fields {
            let replaced = ["Types", "Suites", "Components", "Enabled"];
            if !replaced
                .iter()
                .any(|field| field.eq_ignore_ascii_case(name))
            {
                stanza.push_str(&format!("{name}: {value}\n"));
            }
        }
        format!(
            "Types: deb\nSuites: {}\nComponents: main\n{stanza}\n",
            suites.join(" ")
        )
    }

    fn read_line(&mut self, line: &str) {
        if line.starts_with([' ', '\t']) {
            // Goes on the field before; an embedded key keeps its line breaks.
            if let Some((_, value)) = self.fields.last_mut() {
                value.push('\n');
                value.push_str(line);
            }
        } else if let Some((name, value)) = line.split_once(':') {
            self.fields.push((name.to_owned(), value.trim().to_owned()));
        }
    }

    fn parse_line(line: &str) -> Option<Self> {
        let entry = line.split('#').next()?.trim();
        let rest = entry.strip_prefix("deb")?;
        if !rest.starts_with([' ', '\t', '[']) {
            return None;
        }
        let (options, rest) = match rest.trim_start().strip_prefix('[') {
            Some(bracketed) => bracketed.split_once(']')?,
            None => ("", rest),
        };
        let mut words = rest.split_whitespace();
        let mut fields = vec![
            ("Types".to_owned(), "deb".to_owned()),
            ("URIs".to_owned(), words.next()?.to_owned()),
            ("Suites".to_owned(), words.next()?.to_owned()),
        ];
        for option in options.split_whitespace() {
            let (name, value) = option.split_once('=')?;
            let name = if name == "arch" {
                "Architectures"
            } else {
                name
            };
            fields.push((name.to_owned(), value.replace(',', " ")));
        }
        Some(Self { fields })
    }

    fn has(&self, field: &str, word: &str) -> bool {
        self.fields
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case(field))
            .any(|(_, value)| value.split_whitespace().any(|found| found == word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STANZAS: &str = "\
Types: deb deb-src
# a snapshot stood here
URIs: http://mirror.example/debian
Suites: bookworm
 bookworm-updates
Components: main contrib
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINBF

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main

Types: deb
URIs: http://old.example/debian
Suites: bookworm
Enabled: no
";

    #[test]
    fn knows_debian_by_its_id() {
        let debian = "PRETTY_NAME=\"Debian\"\nVERSION_CODENAME=bookworm\nID=debian\n";
        assert_eq!(debian_codename(debian).as_deref(), Some("bookworm"));
        assert_eq!(
            debian_codename("ID=\"debian\"\nVERSION_CODENAME='trixie'").as_deref(),
            Some("trixie")
        );
        assert_eq!(
            debian_codename("ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\n"),
            None
        );
        assert_eq!(debian_codename("ID=debian\n"), None);
    }

    #[test]
    fn finds_the_main_archive_among_stanzas() {
        let sources = Source::parse_stanzas(STANZAS);
        assert_eq!(sources.len(), 2);
        let main: Vec<&Source> = sources
            .iter()
            .filter(|source| source.is_main_archive_of("bookworm"))
            .collect();
        assert_eq!(main, [&sources[0]]);
    }

    #[test]
    fn other_suites_keep_the_mirror_and_the_keys() {
        let sources = Source::parse_stanzas(STANZAS);
        assert_eq!(
            sources[0].with_suites(&["stable".to_owned(), "testing".to_owned()]),
            "Types: deb\nSuites: stable testing\nComponents: main\n\
             URIs: http://mirror.example/debian\n\
             Signed-By: \n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQINBF\n\n"
        );
    }

    #[test]
    fn reads_the_one_line_format() {
        let text = "\
# deb http://no.example/debian bookworm main
deb-src http://mirror.example/debian bookworm main
deb [arch=amd64,arm64 signed-by=/keys/debian.gpg] http://mirror.example/debian bookworm main contrib # ours
deb http://mirror.example/debian bookworm-updates main
";
        let sources = Source::parse_lines(text);
        assert_eq!(sources.len(), 2);
        assert!(sources[0].is_main_archive_of("bookworm"));
        assert!(!sources[1].is_main_archive_of("bookworm"));
        assert_eq!(
            sources[0].with_suites(&["stable".to_owned()]),
            "Types: deb\nSuites: stable\nComponents: main\nURIs: http://mirror.example/debian\n\
             Architectures: amd64 arm64\nsigned-by: /keys/debian.gpg\n\n"
        );
    }

    #[test]
    fn a_machine_may_follow_a_suite_instead_of_a_release() {
        let sources = Source::parse_lines("deb http://mirror.example/debian testing main\n");
        assert!(sources[0].is_main_archive_of("forky"));
    }
}
