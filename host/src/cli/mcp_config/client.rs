//! Chat assistants, and how each is told of a server.
//!
//! As their makers document it (November 2026): Claude Desktop
//! (`modelcontextprotocol.io/docs/develop/connect-local-servers`), Claude Code
//! (`code.claude.com/docs/en/mcp`), VS Code
//! (`code.visualstudio.com/docs/copilot/reference/mcp-configuration`), Cursor
//! (`cursor.com/docs/mcp`), Zed (`zed.dev/docs/ai/mcp`), Gemini CLI
//! (`geminicli.com/docs/tools/mcp-server`).

use std::collections::BTreeMap;

use clap::ValueEnum;
use serde_json::{Map, Value, json};

use crate::error::{Error, Kind, Result};

/// What the host is called in a client.
const NAME: &str = "skillhost";

/// A chat assistant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Client {
    /// Claude Desktop
    ClaudeDesktop,
    /// Claude Code
    ClaudeCode,
    /// Visual Studio Code
    #[value(name = "vscode")]
    VsCode,
    /// Cursor
    Cursor,
    /// Zed
    Zed,
    /// Gemini CLI
    GeminiCli,
    /// Any other: the form that most have
    Generic,
}

/// How a client reaches the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Server<'a> {
    /// It starts the host itself.
    Stdio {
        command: String,
        arguments: Vec<String>,
        /// What it needs in its environment.
        variables: BTreeMap<&'static str, String>,
    },
    /// The host serves; the key stands in that variable.
    Http { url: &'a str, key: Option<&'a str> },
}

impl Client {
    pub(super) const ALL: [Self; 7] = [
        Self::ClaudeDesktop,
        Self::ClaudeCode,
        Self::VsCode,
        Self::Cursor,
        Self::Zed,
        Self::GeminiCli,
        Self::Generic,
    ];

    /// As it is named on the command line.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::ClaudeDesktop => "claude-desktop",
            Self::ClaudeCode => "claude-code",
            Self::VsCode => "vscode",
            Self::Cursor => "cursor",
            Self::Zed => "zed",
            Self::GeminiCli => "gemini-cli",
            Self::Generic => "generic",
        }
    }

    /// Where it keeps its configuration, by system or by what it counts for.
    pub(super) const fn files(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::ClaudeDesktop => &[
                (
                    "macOS",
                    "~/Library/Application Support/Claude/claude_desktop_config.json",
                ),
                ("Windows", "%APPDATA%\\Claude\\claude_desktop_config.json"),
                ("Linux", "~/.config/Claude/claude_desktop_config.json"),
            ],
            Self::ClaudeCode => &[
                ("one project", ".mcp.json in its folder"),
                ("all projects", "`mcpServers` in ~/.claude.json"),
            ],
            Self::VsCode => &[
                ("one workspace", ".vscode/mcp.json in its folder"),
                (
                    "all workspaces",
                    "what the command `MCP: Open User Configuration` opens",
                ),
            ],
            Self::Cursor => &[
                ("one project", ".cursor/mcp.json in its folder"),
                ("all projects", "~/.cursor/mcp.json"),
            ],
            Self::Zed => &[
                ("macOS, Linux", "~/.config/zed/settings.json"),
                ("Windows", "%APPDATA%\\Zed\\settings.json"),
            ],
            Self::GeminiCli => &[
                ("one project", ".gemini/settings.json in its folder"),
                ("all projects", "~/.gemini/settings.json"),
            ],
            Self::Generic => &[("anywhere", "wherever the assistant keeps its MCP servers")],
        }
    }

    /// What to do with the snippet.
    pub(super) const fn how(self) -> &'static str {
        match self {
            Self::ClaudeDesktop => {
                "Settings, Developer, Edit Config opens that file. Add this to what is there, then quit and restart Claude."
            }
            Self::ClaudeCode => {
                "Add this to what is there, and restart Claude Code; `/mcp` shows whether it is connected."
            }
            Self::VsCode => "Add this to what is there, and press Start above it.",
            Self::Cursor => {
                "Add this to what is there, and restart Cursor; its settings show whether it is connected."
            }
            Self::Zed => {
                "Add this to what is there; the command `zed: open settings file` opens it. The agent's settings show whether it is connected."
            }
            Self::GeminiCli => {
                "Add this to what is there, and restart Gemini CLI; `/mcp` shows whether it is connected."
            }
            Self::Generic => {
                "Most assistants take this form; some have another name for `mcpServers`."
            }
        }
    }

    /// How the key gets to where it is used.
    pub(super) fn about_key(self, key: &str) -> String {
        match self {
            Self::VsCode => "VS Code asks for the key once, and keeps it encrypted.".to_owned(),
            Self::Zed => format!(
                "Zed reads no variables here: write the key in the place of `{key}`, and let nobody else read the file."
            ),
            _ => format!("The key stands in the variable `{key}` of the assistant's environment."),
        }
    }

    /// What belongs in the file.
    ///
    /// # Errors
    ///
    /// `InvalidRequest` for a way that the client has not.
    pub(super) fn snippet(self, server: &Server<'_>) -> Result<Value> {
        let entry = match server {
            Server::Stdio {
                command,
                arguments,
                variables,
            } => self.stdio(command, arguments, variables),
            Server::Http { url, key } => self.http(url, *key)?,
        };
        let servers = match self {
            Self::VsCode => "servers",
            Self::Zed => "context_servers",
            _ => "mcpServers",
        };
        let mut file = Map::new();
        if let (Self::VsCode, Server::Http { key: Some(_), .. }) = (self, server) {
            file.insert("inputs".to_owned(), json!([input()]));
        }
        file.insert(servers.to_owned(), json!({NAME: entry}));
        Ok(Value::Object(file))
    }

    fn stdio(
        self,
        command: &str,
        arguments: &[String],
        variables: &BTreeMap<&str, String>,
    ) -> Value {
        let mut entry = match self {
            Self::ClaudeCode | Self::VsCode | Self::Cursor => {
                json!({"type": "stdio", "command": command, "args": arguments})
            }
            _ => json!({"command": command, "args": arguments}),
        };
        if let (false, Some(entry)) = (variables.is_empty(), entry.as_object_mut()) {
            entry.insert("env".to_owned(), json!(variables));
        }
        entry
    }

    fn http(self, url: &str, key: Option<&str>) -> Result<Value> {
        let mut entry = match self {
            Self::ClaudeDesktop => return Err(no_http()),
            Self::Cursor | Self::Zed => json!({"url": url}),
            Self::GeminiCli => json!({"httpUrl": url}),
            _ => json!({"type": "http", "url": url}),
        };
        if let (Some(key), Some(entry)) = (key, entry.as_object_mut()) {
            let headers = json!({"Authorization": format!("Bearer {}", self.variable(key))});
            entry.insert("headers".to_owned(), headers);
        }
        Ok(entry)
    }

    /// How a value from elsewhere is written.
    fn variable(self, key: &str) -> String {
        match self {
            Self::VsCode => format!("${{input:{NAME}-key}}"),
            Self::Cursor => format!("${{env:{key}}}"),
            Self::Zed => key.to_owned(),
            _ => format!("${{{key}}}"),
        }
    }
}

fn input() -> Value {
    json!({
        "type": "promptString", "id": format!("{NAME}-key"),
        "description": "The key for skillhost", "password": true,
    })
}

fn no_http() -> Error {
    Error::new(
        Kind::InvalidRequest,
        "The configuration file of Claude Desktop names servers that it starts itself, and none over HTTP.",
    )
    .with_hint("Leave `--http` out, or add the URL in Claude under Settings, Connectors.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stdio() -> Server<'static> {
        Server::Stdio {
            command: "/usr/bin/skillhost".to_owned(),
            arguments: vec!["serve".to_owned()],
            variables: BTreeMap::new(),
        }
    }

    fn http(key: Option<&str>) -> Server<'_> {
        Server::Http {
            url: "https://skills.example.com/mcp",
            key,
        }
    }

    #[test]
    fn each_client_starts_the_host_as_it_is_documented() {
        let plain = json!({"command": "/usr/bin/skillhost", "args": ["serve"]});
        let typed = json!({"type": "stdio", "command": "/usr/bin/skillhost", "args": ["serve"]});
        for (client, servers, entry) in [
            (Client::ClaudeDesktop, "mcpServers", &plain),
            (Client::ClaudeCode, "mcpServers", &typed),
            (Client::VsCode, "servers", &typed),
            (Client::Cursor, "mcpServers", &typed),
            (Client::Zed, "context_servers", &plain),
            (Client::GeminiCli, "mcpServers", &plain),
            (Client::Generic, "mcpServers", &plain),
        ] {
            let mut server = stdio();
            let snippet = client.snippet(&server).unwrap();
            assert_eq!(snippet, json!({servers: {"skillhost": entry}}));
            if let Server::Stdio { variables, .. } = &mut server {
                variables.insert("XDG_DATA_HOME", "/data".to_owned());
            }
            let snippet = client.snippet(&server).unwrap();
            let env = &snippet[servers]["skillhost"]["env"];
            assert_eq!(*env, json!({"XDG_DATA_HOME": "/data"}));
        }
    }

    #[test]
    fn each_client_reaches_a_host_over_http_as_it_is_documented() {
        let url = "https://skills.example.com/mcp";
        let key = |text: &str| json!({"Authorization": text});
        for (client, servers, address, value) in [
            (Client::ClaudeCode, "mcpServers", "url", "Bearer ${KEY}"),
            (
                Client::VsCode,
                "servers",
                "url",
                "Bearer ${input:skillhost-key}",
            ),
            (Client::Cursor, "mcpServers", "url", "Bearer ${env:KEY}"),
            (Client::Zed, "context_servers", "url", "Bearer KEY"),
            (Client::GeminiCli, "mcpServers", "httpUrl", "Bearer ${KEY}"),
            (Client::Generic, "mcpServers", "url", "Bearer ${KEY}"),
        ] {
            let snippet = client.snippet(&http(Some("KEY"))).unwrap();
            let entry = &snippet[servers]["skillhost"];
            assert_eq!(entry[address], url, "{snippet}");
            assert_eq!(entry["headers"], key(value), "{snippet}");
            assert_eq!(snippet.get("inputs").is_some(), client == Client::VsCode);
            let snippet = client.snippet(&http(None)).unwrap();
            assert_eq!(snippet[servers]["skillhost"].get("headers"), None);
            assert_eq!(snippet.get("inputs"), None);
        }
        let refused = Client::ClaudeDesktop.snippet(&http(None)).unwrap_err();
        assert_eq!(refused.kind(), Kind::InvalidRequest);
    }

    #[test]
    fn each_client_has_the_name_that_the_command_line_takes() {
        for client in Client::ALL {
            let value = client.to_possible_value().unwrap();
            assert_eq!(value.get_name(), client.name());
        }
        assert_eq!(Client::ALL.len(), Client::value_variants().len());
    }
}
