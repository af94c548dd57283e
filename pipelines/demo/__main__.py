"""``python -m pipelines.demo``, which is what ``./run_local.sh`` runs.

Exit codes: 0 every target matches its source; 1 one does not; 2 bad input; 3 a copy
or the engine failed; 130 and 143 stopped by Ctrl-C and SIGTERM.
"""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from pipelines.demo.copies import REGIONS, SOURCE_REGION, SOURCE_TABLE
from pipelines.demo.engines import (
    DynoxideEngine,
    Engine,
    EngineError,
    MotoEngine,
    find_dynoxide,
)
from pipelines.demo.flights import TOTAL_FLIGHTS, FlightsMissingError
from pipelines.demo.screen import tell

_DIFFERENT = 1
_FAILED = 3
_SIGNALLED = 128  # plus the signal's number, as shells say it
_DEFAULT_ITEMS = 6_000
# What a table in the user's own settings would be asked with, instead of the engine's.
_SETTINGS = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_CA_BUNDLE", "AWS_ENDPOINT_URL")


def main(words: Sequence[str]) -> int:
    """Runs the demonstration and returns its exit code."""
    arguments = _parser().parse_args(words)
    items = TOTAL_FLIGHTS if arguments.all else arguments.items
    # As the command does, and before anything imports Beam.
    logging.getLogger().setLevel(logging.ERROR)
    try:
        with _engine(whole_year=arguments.all) as engine:
            _settle(engine)
            return _show(engine, items, keep=arguments.keep)
    except (EngineError, FlightsMissingError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return _FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="./run_local.sh",
        description="Copies real records between three regions of an embedded DynamoDB "
        "by the command beam-dynamodb, and checks the targets with plain boto3.",
        allow_abbrev=False,
    )
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument(
        "--items",
        type=_item_count,
        default=_DEFAULT_ITEMS,
        metavar="N",
        help=f"flights to copy, spread over the year; {_DEFAULT_ITEMS:,} by default",
    )
    amount.add_argument(
        "--all",
        action="store_true",
        help=f"all {TOTAL_FLIGHTS:,} flights, on dynoxide where there is one",
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        help="leave the engine and its tables up until Ctrl-C",
    )
    return parser


def _item_count(text: str) -> int:
    count = int(text)
    if not 1 <= count <= TOTAL_FLIGHTS:
        message = f"must be between 1 and {TOTAL_FLIGHTS:,}, got {count:,}"
        raise argparse.ArgumentTypeError(message)
    return count


def _engine(*, whole_year: bool) -> Engine:
    """Returns moto, which pip has installed; dynoxide for the year, if it is there."""
    if not whole_year:
        return MotoEngine()
    if find_dynoxide() is not None:
        return DynoxideEngine(REGIONS)
    tell(
        "There is no dynoxide on PATH, and moto takes about half an hour for the whole "
        "year.\nnpm install @dynoxide/linux-x64 and BEAM_DYNAMODB_DYNOXIDE=its path "
        "make that two minutes."
    )
    return MotoEngine()


def _settle(engine: Engine) -> None:
    """Makes this process, and what it starts, talk to the engine alone."""
    for name in _SETTINGS:
        os.environ.pop(name, None)
    os.environ.update(engine.environment())


def _show(engine: Engine, items: int, *, keep: bool) -> int:
    # Not before the engine is up and logs are quiet: this imports Beam.
    from pipelines.demo.demonstration import (  # noqa: PLC0415
        CopyFailedError,
        demonstrate,
    )

    try:
        matches = demonstrate(engine, items)
    except CopyFailedError as error:
        print(f"demo: {error}; see its message above", file=sys.stderr)
        return _FAILED
    if keep:
        _keep(engine)
    return 0 if matches else _DIFFERENT


def _keep(engine: Engine) -> None:
    """Waits for a signal, and says how to reach the tables meanwhile."""
    tell(f"\n{SOURCE_REGION}/{SOURCE_TABLE} and its copies stay until Ctrl-C, at")
    for region in REGIONS:
        tell(f"   {region:<12}{engine.endpoint_url(region)}")
    tell("with the credentials")
    tell("   export AWS_ACCESS_KEY_ID=testing AWS_SECRET_ACCESS_KEY=testing")
    signal.pause()


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt(number)


def _run_and_leave() -> NoReturn:
    """Ends this process at once, though threads of a stopped job would go on."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    try:
        code = main(sys.argv[1:])
    except KeyboardInterrupt as stopped:
        number = stopped.args[0] if stopped.args else signal.SIGINT
        print("\ndemo: stopped; the engine and its tables are gone", file=sys.stderr)
        code = _SIGNALLED + number
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _run_and_leave()
