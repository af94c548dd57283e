"""The targets of a copy: routes, and what is done to their tables before and after."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pipelines import conversions as convert
from pipelines.flags import flag
from pipelines.options import RouteOptions
from transforms.dynamodb.errors import UserError
from transforms.planning.creation import parse_clone

__all__ = ["TargetOptions", "targets_of"]

_READY = "The target's table (after the --to that it is for)"


def _clone(said: object) -> str:
    """Reads what is cloned; stays text."""
    text = ",".join(map(str, said)) if isinstance(said, list) else str(said)
    parse_clone(text)
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetOptions(RouteOptions):
    """One target of a copy, and how its table is made ready."""

    create_target: bool = field(
        default=False,
        metadata=flag(
            _READY,
            "make the table, with the source's keys and what --clone says; one that is "
            "there is left as it is",
            convert=convert.switch,
        ),
    )
    clone: str = field(
        default="all",
        metadata=flag(
            _READY,
            "what a created table takes from the source: all (the default), keys, or "
            "some of indexes, billing, ttl, tags, encryption (its kind), pitr, "
            "deletion-protection, class, stream, autoscaling",
            metavar="A,B",
            convert=_clone,
        ),
    )
    warm_write: int | None = field(
        default=None,
        metadata=flag(
            _READY,
            "write units a second that a created table is warmed up for; AWS bills it "
            "once",
            metavar="U",
            convert=convert.whole_number(4_000, 10**8, "units"),
        ),
    )
    boost_write: int | None = field(
        default=None,
        metadata=flag(
            _READY,
            "raise a provisioned table and its global indexes to this write capacity "
            "for the copy, and put it back at the end; after a crash "
            "beam-dynamodb restore-capacity RUN does",
            metavar="U",
            convert=convert.whole_number(1, 10**8, "units"),
        ),
    )
    truncate_target: str | None = field(
        default=None,
        metadata=flag(
            _READY,
            "delete every item of the target first; say the table's name, to show that "
            "it is the one you mean",
            metavar="NAME",
            convert=convert.text,
        ),
    )

    def __post_init__(self) -> None:
        """Refuses what contradicts itself.

        Raises:
            UserError: the name is another table's, or a warm table is not created.
        """
        name = self.table(None).name
        if self.truncate_target not in (None, name):
            raise UserError(
                f"--truncate-target says {self.truncate_target!r}, and the target is "
                f"{name!r}; nothing is deleted of a table that is not named"
            )
        if self.warm_write is not None and not self.create_target:
            raise UserError("--warm-write is for --create-target; say both, or neither")


def targets_of(targets: Sequence[RouteOptions]) -> tuple[TargetOptions, ...]:
    """Returns the targets as a copy's command line has them."""
    return tuple(each for each in targets if isinstance(each, TargetOptions))
