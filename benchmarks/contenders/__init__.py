"""Who takes part in the bench: how each is started, and at which sizes."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.contenders.setups import java_arguments, pyio_python, trust_store
from benchmarks.works import WORKS

Sizes = tuple[int, int]

_KIND_SHARE = {"small": 1.0, "big": 0.25, "mixed": 0.25}
_WRITES = tuple(name for name in WORKS if name != "scan")
# A JVM's start takes longer than its work: not in every table.
_FEW_WORKS = ("scan", "copy-1-1")
_MANY = 9


@dataclass(frozen=True, slots=True)
class Task:
    """One run of a contender: a work over a table of so many items."""

    work: str
    endpoint: str
    items: int
    ca_file: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One way to do the works.

    Attributes:
        name: in the table.
        command: the command line of one run. The first call makes what it needs.
        scans: items of the smaller and the larger run, small items, where nothing
            is written.
        copies: the same where they are.
        works: those it can do.
        few_works: those it does with the larger kinds of items, and over HTTPS.
        kinds: of items that it is run with.
        rounds: at most so many: what is far from the fastest is not repeated.
    """

    name: str
    command: Callable[[Task], Sequence[str]]
    scans: Sizes
    copies: Sizes
    works: tuple[str, ...] = tuple(WORKS)
    few_works: tuple[str, ...] = tuple(WORKS)
    kinds: tuple[str, ...] = tuple(_KIND_SHARE)
    rounds: int = 1

    def does(self, work: str, kind: str, scheme: str = "http") -> bool:
        """True where the contender takes part."""
        main = (kind, scheme) == ("small", "http")
        works = self.works if main else [w for w in self.works if w in self.few_works]
        return work in works and kind in self.kinds

    def sizes(self, work: str, kind: str) -> Sizes:
        """Returns the item counts of both runs."""
        share = _KIND_SHARE[kind]
        small, large = self.copies if work in _WRITES else self.scans
        return int(small * share), int(large * share)


def _python(
    module: str, *options: str, python: Callable[[], str] = lambda: sys.executable
) -> Callable[[Task], Sequence[str]]:
    def command(task: Task) -> Sequence[str]:
        where = ("--work", task.work, "--endpoint", task.endpoint)
        size = ("--items", str(task.items))
        return (
            *(python(), "-m", f"benchmarks.contenders.{module}"),
            *(*where, *size, *options),
        )

    return command


def _java(project: str, main: str, *options: str) -> Callable[[Task], Sequence[str]]:
    def command(task: Task) -> Sequence[str]:
        java, arguments, name = java_arguments(project, main)
        trust = (
            (f"-Djavax.net.ssl.trustStore={trust_store(task.ca_file)}",)
            if task.ca_file
            else ()
        )
        words = (task.work, task.endpoint, str(task.items), *options)
        return (java, *trust, arguments, name, *words)

    return command


CONTENDERS = {
    each.name: each
    for each in (
        Contender(
            name="ours-direct",
            command=_python("ours_direct"),
            scans=(500_000, 3_000_000),
            copies=(200_000, 1_000_000),
            rounds=_MANY,
        ),
        Contender(
            name="ours-command",
            command=_python("ours_command"),
            scans=(0, 0),
            copies=(200_000, 1_000_000),
            works=_WRITES,
            rounds=_MANY,
        ),
        Contender(
            name="boto3-threads",
            command=_python("boto3_threads"),
            scans=(10_000, 100_000),
            copies=(4_000, 24_000),
            rounds=_MANY,
        ),
        Contender(
            name="boto3-tuned",
            command=_python("boto3_threads", "--tuned"),
            scans=(10_000, 100_000),
            copies=(4_000, 24_000),
        ),
        Contender(
            name="boto3-resource",
            command=_python("boto3_threads", "--resource"),
            scans=(10_000, 100_000),
            copies=(4_000, 24_000),
        ),
        Contender(
            name="beam-boto3",
            command=_python("beam_boto3"),
            scans=(10_000, 60_000),
            copies=(2_000, 12_000),
        ),
        Contender(
            name="dynamodb-pyio",
            command=_python("beam_boto3", "--pyio", python=pyio_python),
            scans=(0, 0),
            copies=(1_000, 7_000),
            works=_WRITES,  # it has no source
        ),
        Contender(
            name="emr-spark-cold",
            command=_java("emr", "EmrCopy", "0"),
            scans=(1_000, 100_000),
            copies=(1_000, 100_000),
            few_works=_FEW_WORKS,
        ),
        Contender(
            name="emr-spark-hot",
            command=_java("emr", "EmrCopy", "50000"),
            # A JVM's start differs by a second from run to run.
            scans=(1_000, 400_000),
            copies=(1_000, 300_000),
            few_works=_FEW_WORKS,
        ),
        Contender(
            name="beam-java",
            command=_java("beam", "BeamCopy"),
            scans=(1_000, 100_000),
            copies=(1_000, 100_000),
            few_works=_FEW_WORKS,
        ),
    )
}
