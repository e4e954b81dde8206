"""Drives `skillhost serve` with the official MCP client.

    python3 tests/mcp/drive.py --skillhost target/release/skillhost --config skillhost.toml

The configuration says which skills are installed and whose signatures count;
what the skills may use, and where events go, this program decides itself. It
prints a line for each check, and ends with 1 at the first that fails.
"""

import argparse
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--skillhost", type=Path, required=True, help="the binary")
    parser.add_argument("--config", type=Path, required=True, help="its skillhost.toml")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="skillhost-mcp-") as folder:
        python = client_environment(Path(folder) / "venv")
        checks = [python, "-B", HERE / "checks.py", arguments.skillhost.resolve(), arguments.config.resolve(), folder]
        return subprocess.run(checks, check=False).returncode


def client_environment(folder: Path) -> Path:
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, "--requirement", HERE / "requirements.txt"], check=True)
    return python


if __name__ == "__main__":
    sys.exit(main())
