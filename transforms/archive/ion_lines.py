"""Data lines of exports in Amazon Ion, as items and changes. Needs the extra ``ion``.

A line is ``$ion_1_0 {Item:{…}}`` or ``$ion_1_0 {Record:{Keys:…,NewImage:…,…}}``.

==========================  ====================================================
Ion                         DynamoDB
==========================  ====================================================
string, bool, null, blob    S, BOOL, NULL, B
decimal, int                N
list, struct                L, M
list annotated              SS, NS, BS by ``$dynamodb_SS``, ``_NS``, ``_BS``
==========================  ====================================================

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.Output.html
"""

import base64
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from transforms.archive.errors import UnreadableBackupError
from transforms.archive.item_lines import Change, LineError
from transforms.dynamodb.attribute_values import AttributeValueError, encode_value

__all__ = ["check_ion_installed", "ion_change_of_line", "ion_item_of_line"]

_SET_TAGS = {"$dynamodb_SS": "SS", "$dynamodb_NS": "NS", "$dynamodb_BS": "BS"}


def check_ion_installed() -> None:
    """Refuses an Ion export where the library that reads it is not installed.

    Raises:
        UnreadableBackupError: says what to install.
    """
    try:
        import amazon.ion.simpleion  # noqa: F401, PLC0415 - an extra
    except ImportError as error:
        raise UnreadableBackupError(
            "the export is in Amazon Ion, which needs an extra package here; "
            "pip install 'beam-dynamodb[ion]', on the workers too"
        ) from error


def ion_item_of_line(line: bytes) -> bytes:
    """Returns the item of a full export's line in DynamoDB JSON.

    Raises:
        LineError: it is no such line.
    """
    return _attributes(_field(_load(line), "Item"))


def ion_change_of_line(line: bytes) -> Change:
    """Returns the change of an incremental export's line.

    Raises:
        LineError: it is no such line.
    """
    document = _load(line)
    record = document.get("Record", document)
    image = record.get("NewImage")
    metadata = _field(record, "Metadata")
    return Change(
        keys=_attributes(_field(record, "Keys")),
        image=None if image is None else _attributes(image),
        written_micros=int(_field(metadata, "WriteTimestampMicros")),
    )


def _load(line: bytes) -> Mapping[str, Any]:
    from amazon.ion import simpleion  # noqa: PLC0415 - an extra

    try:
        document = simpleion.loads(line)
    except Exception as error:  # the library raises a dozen kinds, none of its own root
        raise LineError(f"not Ion ({type(error).__name__})") from error
    if not isinstance(document, Mapping):
        raise LineError("not an Ion struct")
    return document


def _field(struct: Any, name: str) -> Any:
    if not isinstance(struct, Mapping) or name not in struct:
        raise LineError(f"an Ion struct without {name}")
    return struct[name]


def _attributes(struct: Any) -> bytes:
    if not isinstance(struct, Mapping):
        raise LineError("an item that is no Ion struct")
    try:
        return msgspec.json.encode(
            {str(name): _value(value) for name, value in struct.items()}
        )
    except AttributeValueError as error:
        raise LineError(str(error)) from error


def _value(value: Any) -> dict[str, Any]:
    """Returns an AttributeValue; Ion's own types are subclasses of Python's."""
    annotations = [note.text for note in getattr(value, "ion_annotations", ())]
    for note in annotations:
        if note in _SET_TAGS:
            tag = _SET_TAGS[note]
            return {tag: [_value(member)[tag[0]] for member in value]}
    if isinstance(value, Mapping):
        return {"M": {str(name): _value(each) for name, each in value.items()}}
    if isinstance(value, list | tuple):
        return {"L": [_value(each) for each in value]}
    return _scalar(value)


def _scalar(value: Any) -> dict[str, Any]:
    ion_type = getattr(getattr(value, "ion_type", None), "name", "")
    if type(value).__name__ == "IonPyNull":  # of any Ion type
        return {"NULL": True}
    if ion_type == "BOOL":
        return {"BOOL": bool(value)}
    if isinstance(value, Decimal):
        return encode_value(Decimal(str(value)))
    if isinstance(value, int):
        return encode_value(int(value))
    if isinstance(value, bytes):
        return {"B": base64.b64encode(bytes(value)).decode()}
    if isinstance(value, str):
        return {"S": str(value)}
    raise LineError(f"an Ion value of type {ion_type or type(value).__name__}")
