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
    """Hands out placeholders, the same one for the same name or value.

    Attributes:
        prefix: keeps the placeholders of expressions in one request apart: filters use
            ``f``, projections ``p``.
    """

    prefix: str
    _names: dict[str, str] = field(default_factory=dict)
    _values: dict[bytes, str] = field(default_factory=dict)

    def name(self, name: str) -> str:
        """Returns the placeholder of an attribute name or map key, ``#f0``."""
        return self._names.setdefault(name, f"#{self.prefix}{len(self._names)}")

    def value(self, wire: bytes) -> str:
        """Returns the placeholder of an AttributeValue's JSON, ``:f0``."""
        return self._values.setdefault(wire, f":{self.prefix}{len(self._values)}")

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
            self._values_object(),
        )

    def _values_object(self) -> bytes:
        members = {
            placeholder: msgspec.Raw(wire) for wire, placeholder in self._values.items()
        }
        return msgspec.json.encode(members) if members else b""
