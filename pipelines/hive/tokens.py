"""The words of a Hive script, each with the line that it stands on."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from transforms.dynamodb.errors import UserError

__all__ = ["Token", "read_tokens"]

Kind = Literal["word", "name", "text", "number", "symbol", "end"]

_TOKEN = re.compile(
    r"""
      (?P<space>\s+|--[^\n]*)
    | (?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    | (?P<name>`(?:[^`]|``)+`)
    | (?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![A-Za-z_]))
    | (?P<word>[A-Za-z_]\w*)
    | (?P<symbol><=|>=|<>|!=|==|\|\||[^\s])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "0": "\0"}


@dataclass(frozen=True, slots=True)
class Token:
    """One word.

    Attributes:
        kind: word, name (in backquotes), text (in quotes), number, symbol, or the end.
        text: as written, without quotes.
        line: from 1.
        start: where it begins in the script.
        stop: where it ends.
    """

    kind: Kind
    text: str
    line: int
    start: int
    stop: int

    def is_word(self, *words: str) -> bool:
        """True if it is one of these keywords, in any case."""
        return self.kind == "word" and self.text.upper() in words

    def is_symbol(self, *symbols: str) -> bool:
        """True if it is one of these symbols."""
        return self.kind == "symbol" and self.text in symbols


def read_tokens(script: str) -> list[Token]:
    """Returns the words of a script, and an end.

    Raises:
        UserError: a quote that does not end.
    """
    return [*_tokens(script), _end(script)]


def _tokens(script: str) -> Iterator[Token]:
    line = 1
    for found in _TOKEN.finditer(script):
        kind, text = found.lastgroup, found.group()
        if kind == "symbol" and text in "'\"`":
            raise UserError(f"line {line}: a {text} that does not end; add the other")
        if kind is not None and kind != "space":
            yield Token(kind, _value(kind, text), line, found.start(), found.end())  # type: ignore[arg-type]
        line += text.count("\n")


def _value(kind: str, text: str) -> str:
    if kind == "text":
        return _ESCAPE.sub(lambda m: _ESCAPED.get(m[1], m[1]), text[1:-1])
    return text[1:-1].replace("``", "`") if kind == "name" else text


def _end(script: str) -> Token:
    return Token("end", "", script.count("\n") + 1, len(script), len(script))
