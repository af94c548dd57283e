"""``beam-dynamodb hive``: runs the scripts that moved tables by Hive on EMR."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pipelines import conversions as convert
from pipelines.command_line import read_options
from pipelines.copy_command import run_copy
from pipelines.flags import build, flag, said_form
from pipelines.help_text import BEAM_FLAGS_HELP, EXIT_CODES_HELP, draw_help
from pipelines.hive.copies import CopyWords, copies_of
from pipelines.hive.parser import parse_script
from pipelines.launch import ExitCode, debugging
from pipelines.options import CopyOptions
from pipelines.run_options import RUN_GROUP, RunOptions
from pipelines.target_options import TargetOptions
from transforms.dynamodb.errors import UserError

__all__ = ["HiveOptions", "help_text", "run"]

_HEAD = """\
usage: beam-dynamodb hive SCRIPT.sql [options] [-- BEAM FLAGS]

Runs a Hive script that moves DynamoDB tables: each INSERT is one scan of its table,
written to one table or several, as beam-dynamodb copy does it, with its checks and its
account. CREATE EXTERNAL TABLE and DROP TABLE make and take away names of the script;
no table of DynamoDB's is made or dropped.

Examples
  beam-dynamodb hive seed.sql --dry-run
  beam-dynamodb hive seed.sql -- --runner=FlinkRunner
"""

_TAIL = f"""\
What is understood
  DROP TABLE [IF EXISTS] t;
  CREATE EXTERNAL TABLE [IF NOT EXISTS] t (column type, …) STORED BY
      'org.apache.hadoop.hive.dynamodb.DynamoDBStorageHandler' TBLPROPERTIES (…);
      with dynamodb.table.name, .region, .throughput.read.percent and
      .throughput.write.percent (fractions: .1000 is 10 %), .column.mapping,
      .type.mapping
  INSERT OVERWRITE|INTO TABLE t SELECT * | columns FROM t [WHERE …];
  FROM t INSERT OVERWRITE|INTO TABLE t SELECT … [WHERE …] INSERT … ;
  All else is refused by line and word, before anything is written.

{BEAM_FLAGS_HELP}
{EXIT_CODES_HELP}"""  # noqa: S608 - no query, but help

_SCRIPT = "The script"
_OWN = ("file", "region")
"""What a copy does not take: it is said of the script."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HiveOptions(RunOptions):
    """Everything that ``beam-dynamodb hive`` takes."""

    file: str = field(
        metadata=flag(
            _SCRIPT,
            "the script, if it is not the first word",
            metavar="PATH",
            convert=convert.text,
        )
    )
    region: str | None = field(
        default=None,
        metadata=flag(
            _SCRIPT,
            "of tables that have no dynamodb.region",
            metavar="REGION",
            convert=convert.text,
        ),
    )
    endpoint: str | None = field(
        default=None,
        metadata=flag(
            _SCRIPT,
            "service URL of every table",
            metavar="URL",
            convert=convert.text,
        ),
    )
    on_reject: Literal["collect", "fail"] = field(
        default="collect",
        metadata=flag(
            RUN_GROUP,
            "as copy has it: refused items are kept (collect), or stop the job (fail)",
            metavar="WHAT",
            choices=("collect", "fail"),
        ),
    )
    yes: bool = field(
        default=False,
        metadata=flag(
            RUN_GROUP,
            "do not ask at a terminal, before each INSERT, whether to go on",
            convert=convert.switch,
        ),
    )


def help_text() -> str:
    """Returns the help of ``beam-dynamodb hive``."""
    return draw_help(_HEAD, _TAIL, HiveOptions)


def run(words: Sequence[str]) -> ExitCode:
    """Checks the whole script, then runs its INSERTs one after the other.

    Returns:
        The worst code of its copies.

    Raises:
        UserError: bad input, by line and word; nothing was written.
        JobStoppedError: a copy failed; those above it are done.
    """
    words = list(words)
    if words and not words[0].startswith("-"):
        words[:1] = ["--file", words[0]]
    options, beam_words = read_options(words, HiveOptions)
    with debugging(options):
        return _run_script(options, beam_words)


def _run_script(options: HiveOptions, beam_words: Sequence[str]) -> ExitCode:
    copies = copies_of(parse_script(_read(options.file)), options.region)
    if not copies:
        raise UserError(f"{options.file} has no INSERT; there is nothing to run")
    built = [
        copy_options(options, said, place if len(copies) > 1 else 0)
        for place, (_, said) in enumerate(copies, start=1)
    ]
    worst = ExitCode.DONE
    for (insert, _), copy in zip(copies, built, strict=True):
        print(f"line {insert.line}: INSERT from {insert.source}", flush=True)
        worst = max(worst, run_copy(copy, beam_words))
    return worst


def copy_options(options: HiveOptions, said: CopyWords, number: int) -> CopyOptions:
    """Returns a copy's options; each INSERT of several has a directory of its own."""
    own, targets = said
    shared = {name: one for name, one in said_form(options).items() if name not in _OWN}
    if options.run_dir is not None and number:
        # A path, or a place on any file system of Beam's.
        shared["run_dir"] = f"{options.run_dir.rstrip('/')}/insert-{number}"
    return build(
        CopyOptions,
        own | shared,
        targets=tuple(build(TargetOptions, each, where=each["to"]) for each in targets),
    )


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"the script {path} cannot be read: {error}") from error
