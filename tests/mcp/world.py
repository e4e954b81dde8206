"""What the skills get to see: files, a web page, and a configuration; and a
server that listens."""

import http.server
import json
import re
import signal
import subprocess
import threading
import time
import tomllib
import urllib.error
import urllib.request
from pathlib import Path

# Nothing that is waited for takes nearly so long, in seconds.
PATIENCE = 120

PAGE = "<html><head><title>A page</title></head><body><h1>Hello</h1><p>served on loopback</p></body></html>"

# file-search reports its progress each 256 files.
FILES = 600


class World:
    """Lives in one folder and, for the page, in one thread."""

    def __init__(self, config: Path, folder: Path):
        self.config = folder / "skillhost.toml"
        self.audit = folder / "audit.jsonl"
        self.log = folder / "stderr.log"
        self.docs = folder / "docs"
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
        self.origin = f"http://127.0.0.1:{self._server.server_port}"
        write_docs(self.docs)
        self.config.write_text(self._configuration(config))
        self.config.chmod(0o600)

    def __enter__(self) -> "World":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self._server.shutdown()
        self._server.server_close()

    def events(self) -> list[dict]:
        if not self.audit.exists():
            return []
        return [json.loads(line) for line in self.audit.read_text().splitlines()]

    def _configuration(self, config: Path) -> str:
        """Trust and installed skills of `config`, with this world's grants."""
        given = tomllib.loads(config.read_text())
        at = config.parent
        lines = ["[audit]", f"file = {quoted(self.audit)}"]
        lines += ["[auth]", f"keys = {quoted(self.config.parent / 'keys.toml')}"]
        if directory := given.get("skills", {}).get("directory"):
            lines += ["[skills]", f"directory = {quoted(at / directory)}"]
        if trust := given.get("trust"):
            lines += ["[trust]"]
            lines += [f"{key} = {json.dumps(trust[key])}" for key in ["preset", "threshold"] if key in trust]
            for name, signer in trust.get("signers", {}).items():
                keys = ", ".join(quoted(at / key) for key in signer["keys"])
                lines.append(f"signers.{quoted(name)}.keys = [{keys}]")
        lines += ["[skill.file-search]", f"directories = [{quoted(f'{self.docs}:/docs:ro')}]"]
        lines += ["[skill.http-fetch]", f"http = [{quoted(self.origin)}]"]
        return "\n".join(lines) + "\n"


class Server:
    """`skillhost serve` over HTTP on loopback, with a world's configuration, for
    whoever has its key."""

    def __init__(self, skillhost: str, world: World):
        self._log = world.config.parent / "http.log"
        make = [skillhost, "keys", "create", "driver", "--json", "--config", world.config]
        made = subprocess.run(make, check=True, capture_output=True, timeout=PATIENCE)
        # What each request has to say.
        self.headers = {"Authorization": f"Bearer {json.loads(made.stdout)['key']}"}
        command = [skillhost, "serve", "--config", world.config, "--http", "127.0.0.1:0"]
        with self._log.open("w") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def __enter__(self) -> "Server":
        deadline = time.monotonic() + PATIENCE
        while not (found := re.search(r"http://[0-9.:]+/mcp", self.log())):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._process.kill()
                raise RuntimeError(f"the server does not listen:\n{self.log()}")
            time.sleep(0.05)
        self.url = found[0]
        # What it compiles, servers over standard input find in the cache.
        while not self._is_ready():
            if time.monotonic() > deadline:
                self._process.kill()
                raise RuntimeError(f"the server does not get ready:\n{self.log()}")
            time.sleep(0.05)
        return self

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(self.url.removesuffix("/mcp") + "/readyz", timeout=PATIENCE) as answer:
                return answer.status == 200
        except urllib.error.HTTPError:
            return False

    def __exit__(self, *_) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self.status = self._process.wait(PATIENCE)
        finally:
            self._process.kill()

    def log(self) -> str:
        return self._log.read_text()


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = PAGE.encode()
        self.send_response(200)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_) -> None:
        pass


def write_docs(folder: Path) -> None:
    folder.mkdir()
    for number in range(FILES):
        (folder / f"{number:03}.txt").write_text("nothing\n")
    (folder / "notes.txt").write_text("first line\nthe needle is here\n")


def quoted(value: Path | str) -> str:
    """A TOML basic string, which is written as in JSON."""
    return json.dumps(str(value))
