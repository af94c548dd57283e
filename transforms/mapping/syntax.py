"""What a mapping means: frozen, picklable values."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from transforms.dynamodb.expressions.compilation import attributes_of
from transforms.dynamodb.expressions.syntax import Literal, Node, Path, Size

__all__ = [
    "Call",
    "Clause",
    "Everything",
    "Expression",
    "ForEach",
    "ItemMapping",
    "Selection",
    "SkipIf",
    "paths_of",
]


@dataclass(frozen=True, slots=True)
class Call:
    """A function of `functions.FUNCTIONS` and its arguments."""

    function: str
    arguments: tuple["Expression", ...]
    position: int = field(default=0, compare=False, repr=False)


Expression: TypeAlias = Path | Literal | Size | Call


@dataclass(frozen=True, slots=True)
class Everything:
    """``* EXCEPT (…)``: every attribute, less some or parts of some."""

    exceptions: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Selection:
    """``expression AS target``: one attribute of the new item, or a part of one."""

    expression: Expression
    target: Path

    @property
    def is_pick(self) -> bool:
        """True if a whole attribute is taken as it is, under whatever name."""
        source = self.expression
        return isinstance(source, Path) and not source.steps and not self.target.steps


@dataclass(frozen=True, slots=True)
class SkipIf:
    """``SKIP IF condition``: the item is left out, and counted as skipped."""

    condition: Node


@dataclass(frozen=True, slots=True)
class ForEach:
    """``FOR name IN path``: an item for each element, which `name` stands for."""

    name: str
    path: Path


Clause: TypeAlias = Everything | Selection | SkipIf | ForEach


@dataclass(frozen=True, slots=True)
class ItemMapping:
    """A parsed mapping.

    Attributes:
        text: as it was written.
        selections: what the new item is made of, in the order written.
        everything: the ``*``, if it has one.
        skips: conditions under which an item is left out.
        for_each: what an item is fanned out by, if it is.
    """

    text: str
    selections: tuple[Selection, ...]
    everything: Everything | None = None
    skips: tuple[Node, ...] = ()
    for_each: ForEach | None = None

    @property
    def reads(self) -> frozenset[str] | None:
        """The attributes that it looks at; None if that is every one (``*``)."""
        if self.everything is not None:
            return None
        return (
            self.computed_from
            | {
                selection.expression.attribute
                for selection in self.selections
                if isinstance(selection.expression, Path)
            }
            - self._bound
        )

    @property
    def computed_from(self) -> frozenset[str]:
        """The attributes of which a value is looked at, and not just passed on."""
        paths = [
            path
            for selection in self.selections
            if not selection.is_pick
            for path in paths_of(selection.expression)
        ]
        if self.for_each:
            paths.append(self.for_each.path)
        if self.everything:
            paths += [path for path in self.everything.exceptions if path.steps]
        named = {path.attribute for path in paths}
        conditions = (attributes_of(condition) for condition in self.skips)
        return frozenset(named.union(*conditions)) - self._bound

    @property
    def _bound(self) -> frozenset[str]:
        return frozenset({self.for_each.name} if self.for_each else ())

    @property
    def targets(self) -> frozenset[str] | None:
        """The attributes that new items may have; None if that is not known (``*``)."""
        if self.everything is not None:
            return None
        return frozenset(selection.target.attribute for selection in self.selections)

    @property
    def uses_hash(self) -> bool:
        """True if a key for ``hash`` is needed."""
        return any(
            call.function == "hash"
            for selection in self.selections
            for call in _calls_of(selection.expression)
        )

    @property
    def columns(self) -> dict[str, str] | None:
        """The mapping as plain columns, source to target; None if it is more."""
        is_plain = not (self.everything or self.skips or self.for_each) and all(
            selection.is_pick for selection in self.selections
        )
        picked = [(s.expression, s.target.attribute) for s in self.selections]
        sources = {e.attribute: target for e, target in picked if isinstance(e, Path)}
        return sources if is_plain and len(sources) == len(picked) else None

    def origin_of(self, target: str) -> str | None:
        """The attribute that is written, unchanged, as `target`; None if none is."""
        for selection in self.selections:
            if selection.target.attribute == target:
                is_bound = selection.expression in self._bound_paths()
                taken = selection.is_pick and not is_bound
                source = selection.expression
                return source.attribute if taken and isinstance(source, Path) else None
        if self.everything is None:
            return None
        left_out = {path.attribute for path in self.everything.exceptions}
        return None if target in left_out else target

    def _bound_paths(self) -> tuple[Path, ...]:
        return tuple(Path(name) for name in self._bound)


def paths_of(expression: Expression) -> Iterator[Path]:
    """Yields the paths that an expression reads."""
    match expression:
        case Path():
            yield expression
        case Size(path):
            yield path
        case Call(_, arguments):
            for argument in arguments:
                yield from paths_of(argument)
        case Literal():
            pass


def _calls_of(expression: Expression) -> Iterator[Call]:
    if isinstance(expression, Call):
        yield expression
        for argument in expression.arguments:
            yield from _calls_of(argument)
