//! `skillhost mcp-config`.

mod client;

use std::collections::BTreeMap;
use std::path::Path;

use clap::Args;
use serde_json::{Value, json};

use self::client::{Client, Server};
use super::terminal::{note, print, print_json};
use super::{ExitStatus, Session};
use crate::config::Places;
use crate::error::{Error, Kind, Result};
use crate::mcp::is_key;

/// Print what to add to a chat assistant's configuration, so that it offers the installed skills as tools
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct McpConfig {
    /// For which assistant
    #[arg(required_unless_present = "list")]
    client: Option<Client>,
    /// For a host that serves over HTTP, such as https://skills.example.com/mcp
    #[arg(long, value_name = "URL")]
    http: Option<String>,
    /// The environment variable of the assistant that holds its key, which `skillhost keys` makes
    #[arg(
        long,
        value_name = "NAME",
        requires = "http",
        default_value = "SKILLHOST_KEY"
    )]
    key: String,
    /// Send no key, to a host that asks for none
    #[arg(long, requires = "http", conflicts_with = "key")]
    no_key: bool,
    /// List the assistants, and where each keeps its configuration
    #[arg(long, conflicts_with_all = ["client", "http"])]
    list: bool,
    /// Print JSON that also says where it belongs
    #[arg(long)]
    pub(super) json: bool,
}

const EXAMPLES: &str = "\
Examples:
  skillhost mcp-config claude-desktop
  skillhost mcp-config vscode --http http://127.0.0.1:8808/mcp
  skillhost mcp-config claude-code --http https://skills.example.com/mcp --key MY_KEY
  skillhost mcp-config --list";

impl McpConfig {
    pub(super) fn execute(&self, session: &Session) -> Result<ExitStatus> {
        let Some(client) = self.client else {
            return self.print_list();
        };
        let snippet = client.snippet(&self.server(session)?)?;
        if self.http.as_deref().is_some_and(has_no_path) {
            note(
                "The URL has no path, and the host speaks MCP at `/mcp`: add it, unless a proxy does.",
            );
        }
        if self.json {
            print_json(
                &json!({"client": client.name(), "places": places(client), "config": snippet}),
            )?;
            return Ok(ExitStatus::Ok);
        }
        print_json(&snippet)?;
        for (system, file) in client.files() {
            note(&format!("{system}: {file}"));
        }
        note(client.how());
        if let Some(key) = self.key().filter(|_| self.http.is_some()) {
            note(&client.about_key(key));
        }
        Ok(ExitStatus::Ok)
    }

    fn print_list(&self) -> Result<ExitStatus> {
        if self.json {
            let clients = Client::ALL.map(|it| json!({"client": it.name(), "places": places(it)}));
            print_json(&clients)?;
            return Ok(ExitStatus::Ok);
        }
        for client in Client::ALL {
            print(&format!("{}\n", client.name()))?;
            for (system, file) in client.files() {
                print(&format!("  {system}: {file}\n"))?;
            }
        }
        Ok(ExitStatus::Ok)
    }

    fn server(&self, session: &Session) -> Result<Server<'_>> {
        let Some(url) = &self.http else {
            return here(&session.config_file);
        };
        let key = self.key();
        check_url(url, key.is_some())?;
        key.map_or(Ok(()), check_variable)?;
        Ok(Server::Http { url, key })
    }

    fn key(&self) -> Option<&str> {
        (!self.no_key).then_some(self.key.as_str())
    }
}

fn places(client: Client) -> Value {
    let places = client.files().iter();
    places
        .map(|(system, file)| ((*system).to_owned(), json!(file)))
        .collect()
}

/// This very program, with the configuration and the folders that it uses now: an
/// assistant starts it in another folder, with another environment.
fn here(config: &Path) -> Result<Server<'static>> {
    let program = std::env::current_exe().map_err(|cause| {
        Error::new(Kind::Internal, "The path of this program is not known.").with_internal(cause)
    })?;
    let mut arguments = vec!["serve".to_owned()];
    if config.exists() {
        let config = std::path::absolute(config).map_err(|cause| {
            Error::new(
                Kind::Internal,
                "The path of the configuration is not known.",
            )
            .with_internal(cause)
        })?;
        arguments.extend(["--config".to_owned(), text(&config)?]);
    }
    Ok(Server::Stdio {
        command: text(&program)?,
        arguments,
        variables: variables()?,
    })
}

fn variables() -> Result<BTreeMap<&'static str, String>> {
    let variables = Places::variables().into_iter();
    variables
        .map(|(variable, folder)| Ok((variable, text(&folder)?)))
        .collect()
}

fn text(path: &Path) -> Result<String> {
    path.to_str().map(str::to_owned).ok_or_else(|| {
        Error::new(
            Kind::InvalidRequest,
            format!(
                "The path {} is not Unicode, and JSON cannot hold it.",
                path.display()
            ),
        )
    })
}

/// Refuses an address to which a key would be sent for everyone to read.
fn check_url(text: &str, has_key: bool) -> Result<()> {
    let wrong = |message: &str| {
        Error::new(Kind::InvalidRequest, message)
            .with_hint("Write it as `https://HOST/mcp`, or `http://127.0.0.1:PORT/mcp`.")
    };
    let url =
        url::Url::parse(text).map_err(|cause| wrong("That is no URL.").with_internal(cause))?;
    let is_here = match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => return Err(wrong("The URL names no host.")),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("The URL holds a name or a password."));
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_here || !has_key => Ok(()),
        "http" => Err(wrong(
            "The key would be sent to another machine in the clear.",
        )),
        _ => Err(wrong(
            "The URL begins with neither `https://` nor `http://`.",
        )),
    }
}

fn has_no_path(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| url.path() == "/")
}

/// Refuses what is no name of a variable, and never says what it is: it may be
/// the key.
fn check_variable(name: &str) -> Result<()> {
    let wrong = |message: &str| Error::new(Kind::InvalidRequest, message);
    if is_key(name) {
        return Err(wrong("That is a key itself, which must not be printed.")
            .with_hint("Name the variable that holds it, such as SKILLHOST_KEY."));
    }
    if !is_variable(name) {
        return Err(
            wrong("That is no name of an environment variable.").with_hint(
                "Use letters, digits and `_`. The key itself stands in that variable, never here.",
            ),
        );
    }
    Ok(())
}

fn is_variable(name: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().all(is_word) && name.starts_with(|first: char| !first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_sent_to_no_other_machine_in_the_clear() {
        for (url, with_key, without) in [
            ("https://skills.example.com/mcp", true, true),
            ("http://127.0.0.1:8808/mcp", true, true),
            ("http://[::1]:8808/mcp", true, true),
            ("http://localhost/mcp", true, true),
            ("http://skills.example.com/mcp", false, true),
            ("http://127.0.0.1.example.com/mcp", false, true),
            ("https://name:key@skills.example.com/mcp", false, false),
            ("ftp://skills.example.com", false, false),
            ("skills.example.com", false, false),
            ("https://", false, false),
        ] {
            assert_eq!(check_url(url, true).is_ok(), with_key, "{url}");
            assert_eq!(check_url(url, false).is_ok(), without, "{url}");
        }
    }

    #[test]
    fn a_path_is_missed() {
        for (url, is_missed) in [
            ("https://skills.example.com", true),
            ("http://127.0.0.1:8808/", true),
            ("http://127.0.0.1:8808/?a", true),
            ("http://127.0.0.1:8808/mcp", false),
        ] {
            assert_eq!(has_no_path(url), is_missed, "{url}");
        }
    }

    #[test]
    fn a_key_is_named_and_never_given() {
        for name in ["SKILLHOST_KEY", "_k1"] {
            assert!(check_variable(name).is_ok(), "{name}");
        }
        for key in ["", "1K", "skh-live", "skh_live-1", "A B", "${KEY}", "ä"] {
            assert!(check_variable(key).is_err(), "{key}");
        }
        let key = format!("skh_abcdefgh_{}", "A".repeat(43));
        let refused = check_variable(&key).unwrap_err();
        let told = format!("{refused:?} {refused}");
        assert!(!told.contains("abcdefgh"), "{told}");
    }
}
