"""Projections: which parts of an item a request asks for."""

from collections.abc import Iterable

from transforms.dynamodb.errors import UserError
from transforms.dynamodb.expressions.parser import parse_path
from transforms.dynamodb.expressions.service import Placeholders, ServiceExpression
from transforms.dynamodb.expressions.syntax import Path

__all__ = ["render_projection"]


def render_projection(paths: Iterable[str | Path]) -> ServiceExpression:
    """Renders a ProjectionExpression with placeholders ``#p0``.

    A path inside another is left out, since the service refuses paths that overlap and
    the outer one brings the inner one along.

    Args:
        paths: document paths, as text (``tags[0]``) or, for attribute names that text
            has no form for, as `Path`.

    Raises:
        ExpressionError: a text is not a document path.
        UserError: there are no paths.

    >>> render_projection(["day", "name", "address.lines[0]", "address"])
    ... # doctest: +NORMALIZE_WHITESPACE
    ServiceExpression(expression='#p0, #p1, #p2',
        names=(('#p0', 'day'), ('#p1', 'name'), ('#p2', 'address')), values=b'')
    """
    chosen = _outermost(
        parse_path(path) if isinstance(path, str) else path for path in paths
    )
    if not chosen:
        raise UserError(
            "a projection needs one path or more, got none; leave the projection out"
            " to read whole items"
        )
    placeholders = Placeholders("p")
    texts = [placeholders.path(path.attribute, path.steps) for path in chosen]
    return placeholders.expression(", ".join(texts))


def _outermost(paths: Iterable[Path]) -> list[Path]:
    distinct = list(dict.fromkeys(paths))
    return [
        path
        for path in distinct
        if not any(_is_inside(path, other) for other in distinct)
    ]


def _is_inside(path: Path, outer: Path) -> bool:
    depth = len(outer.steps)
    return (
        path != outer
        and path.attribute == outer.attribute
        and path.steps[:depth] == outer.steps
    )
