r"""Data lines, as items and changes: DynamoDB's in JSON, and the old connector's.

    {"Item":{…}}                                                 a full export's line
    {"Metadata":{…},"Keys":{…},"NewImage":{…},"OldImage":{…}}    an incremental one's
    {"id":{"s":"x"}}                                             the EMR connector's

Formats: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.Output.html
and the connector's AttributeValueSerializer (awslabs/emr-dynamodb-connector).
"""

from typing import Any

import msgspec

__all__ = ["Change", "LineError", "change_of_line", "emr_item", "item_of_line"]


class LineError(ValueError):
    """A line is not what its format says; the text tells why, without its content."""


class Change(msgspec.Struct, frozen=True):
    """One item's newest state within an incremental export.

    Attributes:
        keys: the primary key, in DynamoDB JSON.
        image: the whole item after its last change; None if it was deleted.
        written_micros: when, in microseconds since the epoch, by the service's clock.
    """

    keys: bytes
    image: bytes | None
    written_micros: int


class _ItemLine(msgspec.Struct, rename="pascal"):
    item: msgspec.Raw


_ITEM = msgspec.json.Decoder(_ItemLine)
_ATTRIBUTES = msgspec.json.Decoder(dict[str, dict[str, Any]])

# What the connector's serialisers wrote over the years; types are compared in any case.
_EMR_TAGS = {
    tag.lower(): tag
    for tag in ("S", "N", "B", "BOOL", "NULL", "L", "M", "SS", "NS", "BS")
} | {"nullvalue": "NULL", "null": "NULL", "nul": "NULL"}


def item_of_line(line: bytes) -> msgspec.Raw:
    """Returns the item of a full export's line, a slice of it.

    Raises:
        LineError: it is no such line.
    """
    try:
        return _ITEM.decode(line).item
    except msgspec.DecodeError as error:
        raise LineError(f'not {{"Item":{{…}}}} ({error})') from error


def change_of_line(line: bytes) -> Change:
    """Returns the change of an incremental export's line.

    Raises:
        LineError: it is no such line.
    """
    try:
        fields = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
        metadata = msgspec.json.decode(fields["Metadata"], type=dict[str, Any])
        image = fields.get("NewImage")
        return Change(
            keys=bytes(fields["Keys"]),
            image=None if image is None else bytes(image),
            written_micros=_micros(metadata["WriteTimestampMicros"]),
        )
    except (msgspec.DecodeError, KeyError, ValueError, TypeError) as error:
        raise LineError(
            f"not a change with Metadata, Keys and images ({error})"
        ) from error


def _micros(written: Any) -> int:
    """Reads the moment, which exports have as ``{"N": "…"}``, "…" or a number."""
    return int(written["N"] if isinstance(written, dict) else written)


def emr_item(line: bytes) -> bytes:
    """Returns the item of a line that the EMR connector or Data Pipeline wrote.

    Empty lists, maps and sets were written as they are, though the connector itself
    cannot read them back.

    Raises:
        LineError: it is no such line.
    """
    try:
        attributes = _ATTRIBUTES.decode(line)
        return msgspec.json.encode(
            {name: _emr_value(value) for name, value in attributes.items()}
        )
    except (msgspec.DecodeError, ValueError, TypeError, AttributeError) as error:
        raise LineError(f'not {{"name":{{"s":"…"}}}} ({error})') from error


def _emr_value(value: dict[str, Any]) -> dict[str, Any]:
    # Gson writes the fields that are not set as null, if it is told to.
    said = {tag: content for tag, content in value.items() if content is not None}
    if len(said) != 1:
        raise LineError("a value must have one type")
    ((name, content),) = said.items()
    tag = _EMR_TAGS.get(name.lower())
    if tag is None:
        raise LineError(f"the type {name!r} is none of the connector's")
    if tag == "L":
        return {tag: [_emr_value(each) for each in content]}
    if tag == "M":
        return {tag: {key: _emr_value(each) for key, each in content.items()}}
    return {tag: content}
