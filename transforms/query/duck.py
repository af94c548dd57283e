"""DuckDB as this library uses it: capped, on its own, and in words of ours.

Each session has a memory cap and a temporary directory of its own, readable by its
owner alone, where it puts what does not fit; both end with it, and what a killed one
left goes with the next. It reaches no file and
no network: what a query reads is handed to it, so that it reads the same on a cluster.
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import duckdb

from transforms.dynamodb.errors import JobStoppedError, UserError
from transforms.query.temporary import temporary_directory

__all__ = [
    "DEFAULT_MEMORY_MB",
    "Session",
    "explain_error",
    "explain_failure",
    "open_session",
]

DEFAULT_MEMORY_MB = 2_048

Session = duckdb.DuckDBPyConnection


@contextmanager
def open_session(
    memory_mb: int = DEFAULT_MEMORY_MB,
    *,
    threads: int | None = None,
    temp_parent: str | None = None,
) -> Iterator[Session]:
    """Opens a DuckDB for one query.

    Args:
        memory_mb: its cap; beyond it operators spill. DuckDB needs about 125 MB a
            thread to join and sort.
        threads: None for one a core.
        temp_parent: where its directory is made; the system's place by default.

    Raises:
        JobStoppedError: the directory cannot be made.
    """
    with ExitStack() as stack:
        try:
            path = stack.enter_context(temporary_directory(temp_parent))
        except OSError as error:
            raise JobStoppedError(
                f"no temporary directory can be made for the query ({error}); set "
                "TMPDIR to one with room for what does not fit in memory"
            ) from error
        # A database in a file, so that tables may leave memory too.
        session = duckdb.connect(
            str(path / "query.duckdb"),
            config={
                "memory_limit": f"{memory_mb}MB",
                "temp_directory": str(path / "spilled"),
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                "python_enable_replacements": "false",
                "preserve_insertion_order": "false",
                **({} if threads is None else {"threads": str(threads)}),
            },
        )
        try:
            session.execute("SET enable_external_access = false")
            session.execute("SET lock_configuration = true")
            yield session
        finally:
            session.close()


_FUNCTIONS = "Candidate functions:"
_NOISE = re.compile(r"^\w+ Error: ")
_MAX_LINES = 6
_KIND = re.compile(r"(\w[\w ]*) Error: ")
_CAST = re.compile(r"to \w+ when casting from source column \S+")
_LINE = re.compile(r"\nLINE \d+: [^\n]*\n *\^[^\n]*\Z")
_OF_THE_MACHINE = (
    duckdb.OutOfMemoryException,
    duckdb.IOException,
    duckdb.InternalException,
)


def explain_error(error: duckdb.Error, hint: str = "") -> UserError | JobStoppedError:
    """Returns DuckDB's error as one of ours: the query's fault, or the machine's.

    Args:
        error: what it raised.
        hint: added to the text of an error in the query.
    """
    lines = [line for line in _NOISE.sub("", str(error)).splitlines() if line.strip()]
    # Forty candidate functions help nobody.
    text = "\n".join(line for line in lines[:_MAX_LINES] if not _is_candidate(line))
    if isinstance(error, duckdb.OutOfMemoryException):
        return JobStoppedError(
            f"the query does not fit, even spilling: {text}; give it more --memory-mb"
        )
    if isinstance(error, duckdb.IOException | duckdb.InternalException):
        return JobStoppedError(f"the query failed: {text}")
    return UserError(f"the query is not valid: {text}{hint}")


def explain_failure(error: duckdb.Error) -> UserError | JobStoppedError:
    """Returns an error of a query that has read items: none of their values is in it.

    DuckDB quotes the value that it could not convert, parse or hold (I8).
    """
    if isinstance(error, _OF_THE_MACHINE):
        return explain_error(error)
    text = str(error)
    kind, casts, line = _KIND.match(text), _CAST.findall(text), _LINE.search(text)
    return UserError(
        f"a value does not suit the query: {kind[1] if kind else 'Some'} Error"
        f"{f' {casts[-1]}' if casts else ''}; TRY_CAST and TRY give NULL for such a "
        f"value, which is not shown here{line[0] if line else ''}"
    )


def _is_candidate(line: str) -> bool:
    return "-> " in line or line.strip() == _FUNCTIONS
