"""What the demonstration prints: headings, commands as one types them, the summary."""

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO

__all__ = [
    "Counting",
    "command_text",
    "heading",
    "prompt",
    "rule",
    "tell",
    "tell_what_next",
]

_WIDTH = 80
_BOLD, _PLAIN = "\x1b[1m", "\x1b[0m"


def tell(text: str = "") -> None:
    """Prints a line at once, so that it stands before what others print next."""
    print(text, flush=True)


def heading(text: str) -> None:
    """Begins a part."""
    tell(f"\n{_bold(text)}")


def rule() -> None:
    """Draws a line across."""
    tell("─" * _WIDTH)


def command_text(lines: Iterable[Sequence[str]]) -> str:
    r"""Returns a command over several lines, to be pasted into a shell.

    >>> print(command_text([["copy", "--source", "a/b"], ["--filter", "x > '1'"]]))
    beam-dynamodb copy --source a/b \
        --filter "x > '1'"
    """
    joined = " \\\n    ".join(" ".join(map(_quoted, line)) for line in lines)
    return f"beam-dynamodb {joined}"


def prompt(text: str) -> None:
    """Shows a command as one that was typed."""
    tell(f"$ {text}\n")


class Counting:
    """A figure that grows, redrawn in its line; silent where that is not a terminal."""

    def __init__(self, stream: TextIO, text: str) -> None:
        self._stream = stream
        self._text = text
        self._redraws = stream.isatty()

    def show(self, count: int) -> None:
        """Shows the figure."""
        if self._redraws:
            self._stream.write(f"\r{self._text} {count:,}\x1b[K")
            self._stream.flush()

    def clear(self) -> None:
        """Leaves the line as it was before."""
        if self._redraws:
            self._stream.write("\r\x1b[K")
            self._stream.flush()


def tell_what_next() -> None:
    """Says what to try after this."""
    if sys.prefix != sys.base_prefix:
        activate = os.path.relpath(Path(sys.prefix, "bin", "activate"))
        _tell_try(f"source {activate}", "puts beam-dynamodb on your PATH")
    _tell_try("beam-dynamodb copy --help", "what a copy takes; --dry-run first")
    _tell_try("./run_local.sh --keep", "leaves the tables up, to try copies on")
    _tell_try("./run_local.sh --all", "the whole year, 336,776 flights")
    _tell_try("./run_local.sh test", "the tests")


def _tell_try(command: str, what: str) -> None:
    tell(f"   {command:<36}{what}")


def _bold(text: str) -> str:
    plain = not sys.stdout.isatty() or "NO_COLOR" in os.environ
    return text if plain else f"{_BOLD}{text}{_PLAIN}"


def _quoted(word: str) -> str:
    """Returns the word as a shell takes it; none of ours has ``"`` or ``$`` in it."""
    return f'"{word}"' if set(word) & set(" '<>*&|;()") else word
