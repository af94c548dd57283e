"""Builds and runs the stub service (`benchmarks/stub`, Go)."""

import json
import subprocess
import tempfile
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "benchmarks" / "stub"
BINARY = ROOT / "build" / "stub"


def build_stub() -> Path:
    """Builds the stub if its source is newer; needs Go, which only the bench does."""
    newest = max(path.stat().st_mtime for path in SOURCE.iterdir())
    if not BINARY.exists() or BINARY.stat().st_mtime < newest:
        BINARY.parent.mkdir(exist_ok=True)
        subprocess.run(["go", "build", "-o", str(BINARY), "."], cwd=SOURCE, check=True)
    return BINARY


class StubServer:
    """One stub process on a free loopback port; ends with its standard input."""

    def __init__(
        self,
        *,
        kind: str = "small",
        service_time: str = "5ms",
        tls: bool = False,
        check: bool = False,
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="stub-")
        command = [str(build_stub()), "-kind", kind, "-service-time", service_time]
        if tls:
            command += ["-tls", self._folder.name]
        if check:
            command.append("-check")
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.facts: dict[str, int] = json.loads(self._process.stdout.readline())
        self.scheme = scheme = "https" if tls else "http"
        self.endpoint = f"{scheme}://127.0.0.1:{self.facts['port']}"
        self.ca_file = f"{self._folder.name}/ca.pem" if tls else None

    def __enter__(self) -> "StubServer":  # noqa: PYI034  # Self is 3.11+
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()
        self._folder.cleanup()

    def stats(self) -> dict[str, Any]:
        """Returns what was served since the last reset (plain HTTP only)."""
        with urllib.request.urlopen(f"{self.endpoint}/stats", timeout=10) as reply:
            found: dict[str, Any] = json.load(reply)
        return found

    def reset(self) -> None:
        """Sets the figures to zero (plain HTTP only)."""
        urllib.request.urlopen(f"{self.endpoint}/reset", timeout=10).close()
