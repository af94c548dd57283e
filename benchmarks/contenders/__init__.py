"""Who takes part in the bench: how each is started, and at which sizes."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.works import WORKS

_SLOW, _FAST = (4_000, 24_000), (200_000, 1_000_000)
_KIND_SHARE = {"small": 1.0, "big": 0.25, "mixed": 0.25}


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to do the works.

    Attributes:
        name: in the table.
        module: under `benchmarks.contenders`, run as a process.
        options: command-line options that tell variants of a module apart.
        counts: items of the smaller and the larger run, small items.
        works: those it can do.
    """

    name: str
    module: str
    options: tuple[str, ...] = ()
    counts: tuple[int, int] = _SLOW
    works: tuple[str, ...] = tuple(WORKS)

    def does(self, work: str, _kind: str) -> bool:
        """True where the contender can do this work."""
        return work in self.works

    def sizes(self, kind: str, scale: float) -> tuple[int, int]:
        """Returns the item counts of both runs."""
        share = _KIND_SHARE[kind] * scale
        return int(self.counts[0] * share), int(self.counts[1] * share)

    def command(self, work: str, endpoint: str, items: int) -> Sequence[str]:
        """Returns the command line of one run."""
        module = f"benchmarks.contenders.{self.module}"
        where = ("--work", work, "--endpoint", endpoint, "--items", str(items))
        return (sys.executable, "-m", module, *where, *self.options)


CONTENDERS = {
    each.name: each
    for each in (
        Contender("ours-direct", "ours_direct", counts=_FAST),
        Contender("boto3-threads", "boto3_threads"),
        Contender("boto3-tuned", "boto3_threads", ("--tuned",)),
        Contender("boto3-resource", "boto3_threads", ("--resource",)),
    )
}
