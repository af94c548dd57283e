"""A mapping's text to an `ItemMapping`; every mistake with its place.

text --condition.lark + mapping.lark--> Lark tree --_Builder--> ItemMapping
"""

import functools
from importlib import resources
from typing import Any

import lark

from transforms.dynamodb.errors import ExpressionError
from transforms.dynamodb.expressions.diagnosis import CONDITION_FUNCTIONS, explain
from transforms.dynamodb.expressions.parser import (
    TreeBuilder,
    make_lark,
    parse_text,
)
from transforms.dynamodb.expressions.syntax import Literal, Node, Path
from transforms.mapping.functions import FUNCTIONS
from transforms.mapping.syntax import (
    Call,
    Clause,
    Everything,
    Expression,
    ForEach,
    ItemMapping,
    Selection,
    SkipIf,
)

__all__ = ["parse_mapping"]


def parse_mapping(text: str) -> ItemMapping:
    """Parses a mapping.

    Raises:
        ExpressionError: it does not parse, names a function that there is not, or
            makes one attribute twice; with the place in the text.

    >>> mapping = parse_mapping("* EXCEPT (secret), concat(name, '#', day) AS id")
    >>> sorted(mapping.computed_from)
    ['day', 'name']
    >>> parse_mapping("uuid_hash, day AS date").columns
    {'uuid_hash': 'uuid_hash', 'day': 'date'}
    """
    builder = _Builder(text, {}, {})
    mapping: ItemMapping = parse_text(_lark(), "mapping", text, builder, _explain)
    return mapping


@functools.lru_cache(maxsize=1)
def _lark() -> lark.Lark:
    rules = resources.files(__package__).joinpath("mapping.lark").read_text("utf-8")
    return make_lark(["mapping"], rules)


def _explain(error: lark.UnexpectedInput, text: str) -> ExpressionError:
    """As for conditions, but for what only a mapping has."""
    if isinstance(error, lark.UnexpectedToken) and error.token.type == "FUNCTION":
        return ExpressionError(
            f"found `{error.token}(`, which conditions do not have; theirs are "
            f"{', '.join(CONDITION_FUNCTIONS)}",
            text,
            error.token.start_pos or 0,
        )
    explained = explain(error, text)
    before = text[: explained.position].rstrip()
    at_end = explained.position == len(text)
    if isinstance(error, lark.UnexpectedToken) and before.endswith(")") and at_end:
        message = "a computed value needs a name; write … AS name"
        return ExpressionError(message, text, explained.position)
    if before.endswith(("'", ")")) and text[explained.position :].startswith(","):
        message = "a value needs a name before the comma; write … AS name"
        return ExpressionError(message, text, explained.position)
    return explained


_at = lark.v_args(meta=True)


class _Builder(TreeBuilder):
    """One method per rule of mapping.lark; those of conditions are inherited."""

    def mapping(self, clauses: list[Clause]) -> ItemMapping:
        selections = [one for one in clauses if isinstance(one, Selection)]
        everything = [one for one in clauses if isinstance(one, Everything)]
        loops = [one for one in clauses if isinstance(one, ForEach)]
        for what, found in (("*", everything), ("FOR … IN …", loops)):
            if len(found) > 1:
                self.fail(f"{what} is there twice; keep one", 0)
        if not selections and not everything:
            self.fail(
                "the new item has no attribute; select some, or * for every one",
                len(self._text),
            )
        self._check_targets(selections)
        return ItemMapping(
            self._text,
            tuple(selections),
            everything[0] if everything else None,
            tuple(one.condition for one in clauses if isinstance(one, SkipIf)),
            loops[0] if loops else None,
        )

    def everything(self, paths: list[Path | None]) -> Everything:
        return Everything(tuple(path for path in paths if path is not None))

    def computed(self, children: list[Any]) -> Selection:
        expression, target = children
        if any(isinstance(step, int) for step in target.steps):
            self.fail("a name has no list index; name an attribute", target.position)
        return Selection(expression, target)

    def picked(self, children: list[Path]) -> Selection:
        (path,) = children
        if any(isinstance(step, int) for step in path.steps):
            self.fail("an element needs a name; write … AS name", path.position)
        return Selection(path, path)

    def skip(self, children: list[Node]) -> SkipIf:
        return SkipIf(*children)

    def for_each(self, children: list[Any]) -> ForEach:
        name, path = children
        return ForEach(str(name), path)

    @_at
    def call(self, meta: lark.tree.Meta, children: list[Any]) -> Call:
        name, *arguments = children
        return self._checked_call(str(name).lower(), tuple(arguments), meta.start_pos)

    def _checked_call(
        self, name: str, arguments: tuple[Expression, ...], position: int
    ) -> Call:
        if name not in FUNCTIONS:
            known = ", ".join(sorted(FUNCTIONS))
            self.fail(f"there is no function {name}; there are {known}", position)
        function = FUNCTIONS[name]
        if not function.least <= len(arguments) <= function.most:
            self.fail(
                f"{name} takes {function.usage}, got {len(arguments)} "
                f"argument{'s' * (len(arguments) != 1)}",
                position,
            )
        for place in range(function.literals_from, len(arguments)):
            argument = arguments[place]
            where = getattr(argument, "position", position)
            if not isinstance(argument, Literal):
                self.fail(f"{name} takes {function.usage}; write a value here", where)
            problem = function.check_literal(argument.tagged)
            if problem:
                self.fail(f"{name} takes {function.usage}; {problem}", where)
        return Call(name, arguments, position)

    def _check_targets(self, selections: list[Selection]) -> None:
        seen: list[Path] = []
        for selection in selections:
            target = selection.target
            for other in seen:
                if _overlap(target, other):
                    self.fail(
                        f"{target.attribute!r} is made twice; give one of them "
                        "another name",
                        target.position,
                    )
            seen.append(target)


def _overlap(one: Path, other: Path) -> bool:
    depth = min(len(one.steps), len(other.steps))
    return one.attribute == other.attribute and one.steps[:depth] == other.steps[:depth]
