"""``beam-dynamodb plan copy …``: both ends, what it takes and costs; writes nothing."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module

from pipelines import conversions as convert
from pipelines import copy_tables
from pipelines.command_line import read_options
from pipelines.flags import flag
from pipelines.help_text import BEAM_FLAGS_HELP, EXIT_CODES_HELP, draw_help
from pipelines.launch import ExitCode, check_runner, debugging
from pipelines.made_ready import plan_targets
from pipelines.options import CopyOptions
from pipelines.run_options import RUN_GROUP
from pipelines.target_options import TargetOptions
from transforms.dynamodb.errors import UserError
from transforms.planning.checks import check_copy
from transforms.planning.report import report_copy

__all__ = ["help_text", "run"]

_HEAD = """\
usage: beam-dynamodb plan copy --source REGION/TABLE [options of copy]
           --to REGION/TABLE [its options] [--to …] [-- BEAM FLAGS]
       beam-dynamodb plan query 'SELECT …' [options of query]

Makes the checks of a copy, reads a sample of the source at the read rate, and says
what the copy would read, write, take and cost, and what to be careful of. Nothing is
written.

Examples
  beam-dynamodb plan copy --source eu-west-1/orders --read-percent 10 \\
      --to us-east-1/orders --write-percent 40

  beam-dynamodb plan copy --job job.yaml --json

  beam-dynamodb plan query 'SELECT count(*) FROM "eu-west-1/orders"'
"""

_TAIL = f"""\
The job file
  --job FILE              read options from a YAML file, as copy does

{BEAM_FLAGS_HELP}
{EXIT_CODES_HELP}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOptions(CopyOptions):
    """What ``beam-dynamodb plan copy`` takes: all that copy takes."""

    json: bool = field(
        default=False,
        metadata=flag(
            RUN_GROUP, "print the plan as JSON, for programs", convert=convert.switch
        ),
    )


def help_text() -> str:
    """Returns the help of ``beam-dynamodb plan``."""
    return draw_help(_HEAD, _TAIL, PlanOptions, TargetOptions)


def run(words: Sequence[str]) -> ExitCode:
    """Prints the plan of a copy.

    Raises:
        UserError: bad input, or a cost above --max-cost.
        JobStoppedError: the service does not let us look.
    """
    if list(words[:1]) == ["query"]:
        # Looked up when asked for: queries need an extra.
        return run_query_plan(words[1:])
    if list(words[:1]) != ["copy"]:
        given = f", not {words[0]!r}" if words else ""
        raise UserError(
            f"what is planned is a copy or a query{given}; write beam-dynamodb plan "
            "copy … or beam-dynamodb plan query …"
        )
    options, beam_words = read_options(words[1:], PlanOptions, TargetOptions)
    with debugging(options):
        return _plan(options, beam_words)


def run_query_plan(words: Sequence[str]) -> ExitCode:
    """Prints the plan of a query: what it reads of each table, and what it costs."""
    module = import_module("pipelines.query_command")
    code: ExitCode = module.run([*_before_beam(words), "--dry-run", *_for_beam(words)])
    return code


def _before_beam(words: Sequence[str]) -> list[str]:
    return list(words[: words.index("--")] if "--" in words else words)


def _for_beam(words: Sequence[str]) -> list[str]:
    return list(words[words.index("--") :] if "--" in words else ())


def _plan(options: PlanOptions, beam_words: Sequence[str]) -> ExitCode:
    check_runner(options, beam_words, PlanOptions, TargetOptions)
    transport = options.transport_config
    request = copy_tables.copy_request(options)
    said = [each for each in options.targets if isinstance(each, TargetOptions)]
    targets = plan_targets(request.source, request.routes, said, transport)
    plan = check_copy(request, transport, targets.as_if)
    report = report_copy(
        plan,
        transport,
        options.estimate_by,
        {each.target for each in targets.creations},
    )
    if options.json:
        document = report.to_json() | {"made_ready": targets.lines()}
        print(json.dumps(document, indent=2))
    else:
        print("\n".join([*report.lines(), *targets.lines()]))
    report.check_cost(options.max_cost)
    return ExitCode.DONE
