"""Records a session of an assistant with `skillhost serve`, as the README shows it.

    python3 tests/mcp/session.py SKILLHOST FOLDER

The four skills are installed in the home that the environment names, and nothing is
granted to them; FOLDER is for the page that is asked for. Prints what both sides
say, without what differs from one run to the next.
"""

import http.server
import json
import re
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

from world import PATIENCE, Page

WIDTH = 88

# What a server's port and the moment of a record are shown as.
ORIGIN = "http://127.0.0.1:8000"
TIME = "2026-11-21T12:00:00"

TAIL = ["audit", "tail", "-n", "1", "--filter"]

ENDLESS = {"expression": "last(range(1e12))", "data": "null"}


class Assistant:
    """Speaks MCP 2025-11-25 over standard input and output."""

    def __init__(self, skillhost: str, errors):
        self._server = subprocess.Popen(
            [skillhost, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
        )
        self._requests = 0
        hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "a", "version": "1"}}
        self.ask("initialize", hello)
        self.tell("notifications/initialized", {})

    def ask(self, method: str, params: dict) -> dict:
        number = self.begin(method, params)
        for line in self._server.stdout:
            answer = json.loads(line)
            if answer.get("id") == number:
                return answer["result"]
        raise RuntimeError(f"no answer to {method}")

    def begin(self, method: str, params: dict) -> int:
        self._requests += 1
        self._send({"id": self._requests, "method": method, "params": params})
        return self._requests

    def tell(self, method: str, params: dict) -> None:
        self._send({"method": method, "params": params})

    def end(self) -> list[str]:
        """What it still said."""
        rest, _ = self._server.communicate(timeout=PATIENCE)
        return rest.splitlines()

    def _send(self, message: dict) -> None:
        self._server.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        self._server.stdin.flush()


class Record:
    """The session as text."""

    def __init__(self, origin: str):
        self._origin = origin
        self.lines = []

    def line(self, text: str) -> None:
        self.lines.append(self._without_what_differs(text))

    def said(self, text: str) -> None:
        indented = {"initial_indent": "  ", "subsequent_indent": "  "}
        for paragraph in self._without_what_differs(text).splitlines():
            self.lines += textwrap.wrap(paragraph, WIDTH, break_on_hyphens=False, **indented)

    def short(self, text: str) -> None:
        shown = self._without_what_differs(text)
        self.lines.append(f"  {shown if len(shown) < WIDTH - 2 else shown[: WIDTH - 3] + '…'}")

    def gap(self) -> None:
        self.lines.append("")

    def _without_what_differs(self, text: str) -> str:
        text = text.replace(self._origin, ORIGIN)
        text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?", TIME, text)
        text = re.sub(r"after \d+ ms", "after 250 ms", text)
        return re.sub(r"\[[0-9a-f]{8}\]", "[0b2fbc26]", text)


def play(assistant: Assistant, record: Record, skillhost: str, page: str) -> None:
    record.line("assistant> tools/list")
    for tool in all_tools(assistant):
        record.short(f"{tool['name']:20} {tool['title']}: {tool['description']}".replace("\n", " "))
    record.gap()

    call(assistant, record, "text-stats_analyze", {"text": "To be, or not to be."})
    record.gap()

    call(assistant, record, "http-fetch_fetch", {"url": page})
    record.gap()

    grant = ["grant", "http-fetch", f"http={page.rstrip('/')}"]
    record.line(f"operator$ skillhost {' '.join(grant)}")
    record.said(run(skillhost, *grant))
    record.gap()

    call(assistant, record, "http-fetch_fetch", {"url": page})
    record.gap()

    params = {"name": "json-query_query", "arguments": ENDLESS}
    record.line(f"assistant> tools/call {params['name']} {json.dumps(ENDLESS)}")
    number = assistant.begin("tools/call", params)
    wait_for(skillhost, "invocation.started", "json-query")
    record.line("assistant> notifications/cancelled")
    assistant.tell("notifications/cancelled", {"requestId": number, "reason": "enough"})
    finished = wait_for(skillhost, "invocation.finished", "json-query")
    record.gap()
    record.line(f"operator$ skillhost {' '.join(TAIL)} event=invocation.finished")
    record.said(finished)


def all_tools(assistant: Assistant) -> list[dict]:
    """The list once each skill is compiled, which may take longer than a client that
    asks at once is kept waiting."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        tools = assistant.ask("tools/list", {})["tools"]
        if len(tools) == 4:
            return tools
        time.sleep(0.1)
    raise RuntimeError(f"the list stays at {tools}")


def call(assistant: Assistant, record: Record, tool: str, arguments: dict) -> None:
    record.line(f"assistant> tools/call {tool} {json.dumps(arguments)}")
    result = assistant.ask("tools/call", {"name": tool, "arguments": arguments})
    if result.get("isError"):
        record.said(f"{result['_meta']['dev.skillhost/kind']}: {result['content'][0]['text']}")
    else:
        record.short(json.dumps(result["structuredContent"]))
        record.said(f"signed by {', '.join(result['_meta']['dev.skillhost/signers'])}")


def wait_for(skillhost: str, event: str, skill: str) -> str:
    """The newest record of that event, once it is about that skill."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        said = run(skillhost, *TAIL, f"event={event}")
        if skill in said:
            return said
        time.sleep(0.05)
    raise RuntimeError(f"no {event} of {skill}")


def run(skillhost: str, *arguments: str) -> str:
    done = subprocess.run([skillhost, *arguments], capture_output=True, text=True, timeout=PATIENCE)
    if done.returncode != 0:
        raise RuntimeError(f"{arguments} ended with {done.returncode}: {done.stderr}")
    return (done.stdout + done.stderr).strip()


def main(skillhost: str, folder: str) -> None:
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    page = f"http://127.0.0.1:{web.server_port}/"
    record = Record(page.rstrip("/"))
    with (Path(folder) / "stderr.log").open("w") as errors:
        assistant = Assistant(skillhost, errors)
        play(assistant, record, skillhost, page)
        # A call that is given up has no answer.
        left = assistant.end()
    web.shutdown()
    if left:
        raise RuntimeError(f"the server also said {left}")
    print("\n".join(record.lines))


if __name__ == "__main__":
    main(*sys.argv[1:])
