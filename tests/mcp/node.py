"""Drives `skillhost serve` with the official TypeScript clients and the Inspector.

    python3 tests/mcp/node.py SKILLHOST CONFIG NPM

SKILLHOST is the binary and CONFIG its skillhost.toml, as for drive.py; NPM is where
`.ci/npm` installed the packages. Prints a line for each check, and ends with
another status than 0 at the first that fails.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from world import PATIENCE, Server, World

HERE = Path(__file__).resolve().parent


class Inspector:
    """The Inspector's command line, which is a client of its own each time."""

    def __init__(self, npm: Path, home: Path, server: list[str]):
        program = npm / "node_modules" / "@modelcontextprotocol" / "inspector"
        start = json.loads((program / "package.json").read_text())["bin"]["mcp-inspector"]
        self._command = [npm / "node", program / start, "--cli", "--format", "json", "--quiet", *server]
        # It keeps a catalogue of servers in its user's home otherwise.
        self._environment = {**os.environ, "HOME": str(home)}

    def ask(self, *arguments: str) -> dict:
        run = subprocess.run(
            [*self._command, *arguments], env=self._environment, capture_output=True, text=True, timeout=PATIENCE
        )
        try:
            return json.loads(run.stdout)["result"]
        except (ValueError, KeyError):
            raise RuntimeError(f"the Inspector said:\n{run.stdout}\n{run.stderr}") from None

    def call(self, tool: str, arguments: dict) -> dict:
        told = ["--tool-name", tool, "--tool-args-json", json.dumps(arguments)]
        return self.ask("--method", "tools/call", *told)


def check(what: str, expected, found) -> None:
    if expected != found:
        raise RuntimeError(f"FAILED  {what}: expected {expected!r}, found {found!r}")
    print(f"ok  {what}", flush=True)


def inspect(inspector: Inspector, origin: str) -> None:
    tools = [tool["name"] for tool in inspector.ask("--method", "tools/list")["tools"]]
    expected = ["file-search_search", "http-fetch_fetch", "json-query_query", "text-stats_analyze"]
    check("the tools of the four skills are listed", expected, sorted(tools))
    result = inspector.call("text-stats_analyze", {"text": "One two three. Four five."})
    check("text-stats counts words", 5, result["structuredContent"]["words"])
    result = inspector.call("json-query_query", {"expression": ".a", "value": {"a": [1]}})
    check("json-query finds", [[1]], result["structuredContent"]["results"])
    result = inspector.call("file-search_search", {"pattern": "need.e"})
    check("file-search finds", 2, result["structuredContent"]["matches"][0]["line"])
    result = inspector.call("http-fetch_fetch", {"url": f"{origin}/"})
    check("http-fetch fetches", "A page", result["structuredContent"]["title"])


def main(skillhost: str, config: str, npm: str) -> None:
    with tempfile.TemporaryDirectory(prefix="skillhost-mcp-") as folder:
        with World(Path(config).resolve(), Path(folder)) as world, Server(skillhost, world) as server:
            told = {
                "skillhost": skillhost,
                "config": str(world.config),
                "audit": str(world.audit),
                "origin": world.origin,
                "url": server.url,
                "headers": server.headers,
            }
            drive = [Path(npm) / "node", HERE / "drive.mjs", npm, json.dumps(told)]
            subprocess.run(drive, check=True, timeout=10 * PATIENCE)
            key = [f"{name}: {value}" for name, value in server.headers.items()]
            url = ["--server-url", server.url, "--transport", "http", "--header", *key]
            # Of its own environment it hands on next to nothing, and what looks like
            # an option of its own it keeps.
            seen = {name: value for name, value in os.environ.items() if name.startswith("XDG_")}
            seen["SKILLHOST_CONFIG"] = str(world.config)
            start = [it for name, value in seen.items() for it in ("-e", f"{name}={value}")]
            ways = {
                "stdio, MCP 2025-11-25": ["--protocol-era", "legacy", *start, skillhost, "serve"],
                "HTTP, MCP 2026-07-28": ["--protocol-era", "modern", *url],
            }
            for name, way in ways.items():
                print(f"-- the Inspector, {name}", flush=True)
                inspect(Inspector(Path(npm), Path(folder), way), world.origin)
        check("SIGTERM ends the server", 0, server.status)
        check("it never panicked", False, "panicked" in server.log())


if __name__ == "__main__":
    skillhost, config, npm = sys.argv[1:]
    main(str(Path(skillhost).resolve()), config, str(Path(npm).resolve()))
