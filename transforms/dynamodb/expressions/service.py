"""An expression as the service takes it: text with placeholders, and their meanings."""

from dataclasses import dataclass, field

import msgspec

__all__ = ["Placeholders", "ServiceExpression"]


@dataclass(frozen=True, slots=True)
class ServiceExpression:
    """An expression in which every name and value is a placeholder.

    Attributes:
        expression: such as ``#f0 >= :f0``.
        names: what goes into ExpressionAttributeNames, ``("#f0", "day")``.
        values: ExpressionAttributeValues as a JSON object; ``b""`` if there are none,
            since the service refuses an empty object.
    """

    expression: str
    names: tuple[tuple[str, str], ...]
    values: bytes = b""


@dataclass(slots=True)
class Placeholders:
    """Hands out placeholders: one for each name, a new one for each value.

    Values do not share theirs, even equal ones: the service refuses an operator whose
    first operand is, by its text, another of its operands.

    Attributes:
        prefix: keeps the placeholders of expressions in one request apart: filters use
            ``f``, projections ``p``.
    """

    prefix: str
    _names: dict[str, str] = field(default_factory=dict)
    _values: dict[str, msgspec.Raw] = field(default_factory=dict)

    def name(self, name: str) -> str:
        """Returns the placeholder of an attribute name or map key, ``#f0``."""
        return self._names.setdefault(name, f"#{self.prefix}{len(self._names)}")

    def value(self, wire: bytes) -> str:
        """Returns the placeholder of an AttributeValue's JSON, ``:f0``."""
        placeholder = f":{self.prefix}{len(self._values)}"
        self._values[placeholder] = msgspec.Raw(wire)
        return placeholder

    def path(self, attribute: str, steps: tuple[str | int, ...]) -> str:
        """Returns a document path, ``#f0.#f1[2]``."""
        rest = (
            f"[{step}]" if isinstance(step, int) else f".{self.name(step)}"
            for step in steps
        )
        return self.name(attribute) + "".join(rest)

    def expression(self, text: str) -> ServiceExpression:
        """Returns the text together with what its placeholders stand for."""
        return ServiceExpression(
            text,
            tuple((placeholder, name) for name, placeholder in self._names.items()),
            msgspec.json.encode(self._values) if self._values else b"",
        )
