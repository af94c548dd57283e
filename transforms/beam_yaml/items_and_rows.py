"""Items where rows came, and rows of what a sink tells: Beam YAML knows rows alone."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

import apache_beam as beam
from apache_beam.typehints.row_type import RowTypeConstraint
from apache_beam.typehints.schemas import named_fields_from_element_type
from apache_beam.utils.timestamp import Timestamp

from transforms.archive.manifest import Manifest
from transforms.dynamodb.errors import UserError
from transforms.items import Item
from transforms.query.row_items import item_of_row
from transforms.receipts import Receipt, RejectedItem

__all__ = ["as_items", "export_as_row", "receipts_as_rows", "rejected_as_rows"]

_RECEIPT = {
    "route": str,
    "items": int,
    "written": int,
    "filtered": int,
    "skipped": int,
    "superseded": int,
    "rejected": int,
    "fanned_out": int,
    "write_units": float,
}
_REJECTED = {"route": str, "reason": str, "attempts": int, "item": str}
_EXPORT = {"path": str, "items": int, "files": int}


def as_items(
    pcoll: beam.PCollection[Any],
) -> beam.PTransform[beam.PCollection[Any], beam.PCollection[Item]]:
    """Returns what makes items of a collection: nothing, or an item of each row.

    Raises:
        UserError: it holds neither items nor rows.
    """
    element_type = pcoll.element_type
    if element_type is Item:
        return _AsTheyAre()
    try:
        fields = named_fields_from_element_type(cast("type", element_type))
    except (AttributeError, TypeError, ValueError) as error:
        raise UserError(
            f"the input holds {element_type}, which is neither an item nor a row; put "
            "a MapToFields before"
        ) from error
    return beam.ParDo(_RowsToItems([name for name, _ in fields]))


class _AsTheyAre(beam.PTransform[beam.PCollection[Item], beam.PCollection[Item]]):
    def expand(self, pcoll: beam.PCollection[Item]) -> beam.PCollection[Item]:
        return pcoll


class _RowsToItems(beam.DoFn):
    """Makes an item of each row: a column is an attribute, null is none."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._names = list(names)

    def process(self, row: Any) -> Iterator[Item]:
        values = [_plain(getattr(row, name)) for name in self._names]
        yield Item(item_of_row(self._names, values))

    def infer_output_type(self, _input_type: object) -> type[Item]:
        return Item


def _plain(value: Any) -> Any:
    """A row becomes a map, and a timestamp of Beam a text, at any depth."""
    if isinstance(value, Timestamp):
        return value.to_rfc3339()
    if hasattr(value, "_asdict"):
        return {name: _plain(one) for name, one in value._asdict().items()}
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


def receipts_as_rows() -> beam.PTransform[
    beam.PCollection[Receipt], beam.PCollection[Any]
]:
    """Returns what makes a row of each receipt; the origin is left out."""
    return _to_rows(_receipt_row, _RECEIPT)


def rejected_as_rows() -> beam.PTransform[
    beam.PCollection[RejectedItem], beam.PCollection[Any]
]:
    """Returns what makes a row of each rejected item, which is DynamoDB JSON."""
    return _to_rows(_rejected_row, _REJECTED)


def export_as_row(
    directory: str,
) -> beam.PTransform[beam.PCollection[Manifest], beam.PCollection[Any]]:
    """Returns what makes a row of the manifest of a finished export."""
    return _to_rows(functools.partial(_export_row, directory), _EXPORT)


def _to_rows(
    make: Callable[[Any], beam.Row], fields: dict[str, type]
) -> beam.PTransform[Any, beam.PCollection[Any]]:
    row_type = RowTypeConstraint.from_fields(list(fields.items()))
    rows: beam.PTransform[Any, beam.PCollection[Any]]
    rows = beam.Map(make).with_output_types(row_type)
    return rows


def _export_row(directory: str, manifest: Manifest) -> beam.Row:
    files = manifest.files
    return beam.Row(path=directory, items=manifest.items, files=len(files))


def _receipt_row(receipt: Receipt) -> beam.Row:
    return beam.Row(**{name: getattr(receipt, name) for name in _RECEIPT})


def _rejected_row(rejected: RejectedItem) -> beam.Row:
    return beam.Row(
        route=rejected.route,
        reason=rejected.reason,
        attempts=rejected.attempts,
        item=bytes(rejected.item.wire).decode(),
    )
