"""The record of a run: what it was told, and which process may go on with it.

launcher: keep_record --> row (RUNS, run id), its version the epoch: 1
--resume: take_up     --> epoch 2; whoever wrote for epoch 1 is fenced off
"""

from dataclasses import dataclass, field, replace

import msgspec

from transforms.dynamodb.errors import UserError
from transforms.ledger.store import RUNS, LedgerStore, Put, Row

__all__ = ["RunRecord", "keep_record", "read_record", "take_up"]


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run, as whoever goes on with it must know it.

    Attributes:
        run_id: the run.
        spec: all that its workers are told, as text.
        said: the options as they were said, before a plan completed them.
        table_ids: by what a table is to the run (``source``, a route's name), the id
            that DescribeTable gave: a table made anew has another one.
        epoch: 1 for the first launch, and 1 more for each resumption.
    """

    run_id: str
    spec: str
    said: str
    table_ids: dict[str, str] = field(default_factory=dict)
    epoch: int = 1


def keep_record(store: LedgerStore, record: RunRecord) -> None:
    """Writes the record of a run that begins."""
    store.put_many([_row(record)])


def read_record(store: LedgerStore, run_id: str) -> RunRecord | None:
    """Returns the record of a run; None if the ledger has none that is resumable."""
    row = store.get(RUNS, run_id)
    if row is None or not row.data:
        return None
    spec, said, table_ids = _DATA.decode(row.data)
    return RunRecord(run_id, spec, said, table_ids, row.version)


def take_up(store: LedgerStore, record: RunRecord) -> RunRecord:
    """Begins the next epoch of a run.

    Raises:
        UserError: another process does so at this moment.
    """
    taken = replace(record, epoch=record.epoch + 1)
    if not store.commit([Put(_row(taken), expected=record.epoch)]):
        raise UserError(
            f"run {record.run_id} is being taken up by another process; leave it to "
            "that one"
        )
    return taken


def _row(record: RunRecord) -> Row:
    data = msgspec.msgpack.encode((record.spec, record.said, record.table_ids))
    return Row(RUNS, record.run_id, record.epoch, data)


_DATA = msgspec.msgpack.Decoder(tuple[str, str, dict[str, str]])
