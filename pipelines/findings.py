"""What was found when a runner was looked at, and what to do about it."""

import os
import socket
import subprocess
import urllib.error
from dataclasses import dataclass
from enum import Enum
from urllib.parse import urlsplit

__all__ = [
    "ANSWER_SECONDS",
    "Finding",
    "Verdict",
    "fine",
    "output_of",
    "refusal",
    "unknown",
    "why",
    "wrong",
]

ANSWER_SECONDS = 10.0
"""How long somebody on the network is waited for."""

_PROGRAM_SECONDS = 60.0


class Verdict(Enum):
    """What is to be thought of a finding."""

    FINE = "ok"
    WRONG = "WRONG"
    UNKNOWN = "?"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        verdict: of it.
        subject: what was looked at, in a word or two.
        found: what was found there.
        remedy: what to do about it; empty where nothing is wrong.
    """

    verdict: Verdict
    subject: str
    found: str
    remedy: str = ""

    def __str__(self) -> str:
        """The finding in a line."""
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"{self.subject}: {self.found}{remedy}"


def fine(subject: str, found: str) -> Finding:
    """Returns what is as it should be."""
    return Finding(Verdict.FINE, subject, found)


def unknown(subject: str, found: str) -> Finding:
    """Returns what cannot be known from here, or need not be wrong."""
    return Finding(Verdict.UNKNOWN, subject, found)


def wrong(subject: str, found: str, remedy: str) -> Finding:
    """Returns what keeps a job from running."""
    return Finding(Verdict.WRONG, subject, found, remedy)


def output_of(command: list[str]) -> str:
    """Returns all that a program prints.

    Raises:
        OSError: there is no such program.
        subprocess.SubprocessError: it fails, or takes too long.
    """
    done = subprocess.run(  # noqa: S603 - a program that the user's own flags name
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=_PROGRAM_SECONDS,
        check=True,
        env={**os.environ, "PYTHONPATH": ""},
    )
    return done.stdout


def refusal(place: str, default_port: int) -> str:
    """Returns why nobody answers at HOST:PORT; empty where somebody does."""
    try:
        parts = urlsplit(f"//{place}")
        where = (parts.hostname or "localhost", parts.port or default_port)
        with socket.create_connection(where, timeout=ANSWER_SECONDS):
            return ""
    except (OSError, ValueError) as error:
        return why(error)


def why(error: Exception) -> str:
    """Returns what an error of the network says, in short."""
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    return getattr(reason, "strerror", None) or str(reason)
