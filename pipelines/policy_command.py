"""``beam-dynamodb policy copy``: the least that a copy must be allowed."""

import json
import sys
from collections.abc import Sequence

from pipelines import copy_tables
from pipelines.command_line import read_options
from pipelines.help_text import EXIT_CODES_HELP
from pipelines.launch import ExitCode
from pipelines.options import CopyOptions
from pipelines.target_options import TargetOptions
from transforms.dynamodb.errors import UserError
from transforms.ledger.location import LedgerLocation
from transforms.planning.policy import CALLER, copy_policies

__all__ = ["help_text", "run"]

_HEAD = """\
usage: beam-dynamodb policy copy WHAT FOLLOWS COPY

Prints the IAM policy that the copy needs, and no more, as JSON; nothing is asked of
AWS. Where tables are reached by roles (--source-role, --role), it prints one policy a
principal: the caller's, and each role's by its ARN. An ARN names every account (*)
where none is given: say --source-account and --account to have it narrower. Making
targets ready (--create-target, --boost-write) needs more, and is not in it.

Example
  beam-dynamodb policy copy --source eu-west-1/orders --source-account 123456789012 \\
      --to us-east-1/orders --mode newer --newer-by updated_at
"""


def help_text() -> str:
    """Returns the help of ``beam-dynamodb policy``."""
    return f"{_HEAD}\n{EXIT_CODES_HELP}"


def run(words: Sequence[str]) -> ExitCode:
    """Prints the policies of a job.

    Raises:
        UserError: the words are not a copy's.
    """
    if not words or words[0] != "copy":
        raise UserError("say which job: policy copy, and then what follows copy")
    options, _ = read_options(words[1:], CopyOptions, TargetOptions)
    request = copy_tables.copy_request(options)
    ledger = options.ledger and LedgerLocation.parse(options.ledger, request.source)
    policies = copy_policies(request, ledger or None)
    printed = policies[CALLER] if list(policies) == [CALLER] else policies
    json.dump(printed, sys.stdout, indent=2)
    print()
    return ExitCode.DONE
