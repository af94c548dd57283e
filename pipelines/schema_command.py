"""``beam-dynamodb schema SOURCE``: what is in a table, and a job file for it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipelines import conversions as convert
from pipelines.command_line import read_options
from pipelines.flags import flag
from pipelines.help_text import EXIT_CODES_HELP, draw_help
from pipelines.launch import ExitCode, debugging
from pipelines.source_options import SourceOptions
from transforms.dynamodb.client import client_for
from transforms.dynamodb.errors import UserError
from transforms.dynamodb.event_loop import worker_loop
from transforms.dynamodb.transport import TransportConfig
from transforms.planning.capacity import plan_rate
from transforms.planning.samples import take_sample
from transforms.planning.schema import infer_schema

__all__ = ["help_text", "run"]

_HEAD = """\
usage: beam-dynamodb schema REGION/TABLE [options]

Reads a sample of a table at the read rate, and prints its attributes with their types,
presence and sizes, the largest partition keys and the items near 400 KB. Writes them as
the columns of a copy's job file, if that is asked for.

Examples
  beam-dynamodb schema eu-west-1/orders --sample 10000

  beam-dynamodb schema eu-west-1/orders --read-percent 5 --job-file orders.yaml
"""

_SCHEMA = "What to say"


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaOptions(SourceOptions):
    """What ``beam-dynamodb schema`` takes."""

    sample: int = field(
        default=10_000,
        metadata=flag(
            _SCHEMA,
            "items to read about, of places that lie apart; 10,000 by default",
            metavar="N",
            convert=convert.whole_number(1, 10_000_000, "items"),
        ),
    )
    json: bool = field(
        default=False,
        metadata=flag(_SCHEMA, "print it as JSON", convert=convert.switch),
    )
    show_keys: bool = field(
        default=False,
        metadata=flag(
            _SCHEMA,
            "say the largest partition keys themselves; by default their digests",
            convert=convert.switch,
        ),
    )
    job_file: str | None = field(
        default=None,
        metadata=flag(
            _SCHEMA,
            "write a copy's job file with these columns and types; a file that is "
            "there is not overwritten",
            metavar="FILE",
            convert=convert.text,
        ),
    )


def help_text() -> str:
    """Returns the help of ``beam-dynamodb schema``."""
    return draw_help(_HEAD, EXIT_CODES_HELP, SchemaOptions)


def run(words: Sequence[str]) -> ExitCode:
    """Prints what is in a table.

    Raises:
        UserError: bad input, an empty table, a job file that is there.
        JobStoppedError: the service does not let us look.
    """
    named = list(words)
    if named and not named[0].startswith("-"):
        named[:1] = ["--source", named[0]]
    options, beam_words = read_options(named, SchemaOptions)
    if beam_words:
        raise UserError("schema runs on no runner; leave out what follows --")
    with debugging(options):
        return _schema(options)


def _schema(options: SchemaOptions) -> ExitCode:
    if options.job_file is not None and Path(options.job_file).exists():
        raise UserError(f"--job-file: {options.job_file} is there; name another")
    table = options.source_table
    transport = TransportConfig(kind=options.transport)
    described = worker_loop().run(client_for(table, transport).describe_table())
    sample = take_sample(
        table,
        options.sample,
        rate=plan_rate(options.read, described, "read").rate,
        transport=transport,
        index=options.index,
    )
    if not sample.wires:
        raise UserError(f"{table.display} has no items, so nothing can be said of them")
    schema = infer_schema(
        sample.wires,
        described.keys,
        is_whole=sample.is_whole,
        show_keys=options.show_keys,
    )
    if options.json:
        print(json.dumps(schema.to_json(), indent=2, ensure_ascii=False))
    else:
        print("\n".join(schema.lines()))
        print(f"read: {sample.units:,.1f} RCU")
    if options.job_file is not None:
        text = schema.job_file(options.source)
        Path(options.job_file).write_text(text, encoding="utf-8")
    return ExitCode.DONE
