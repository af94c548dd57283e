"""What a copy says of the items that it kept aside: rejected and superseded ones.

rejected items are kept in .beam-dynamodb/runs/…/rejected
  oregon: ItemTooLarge 12, such as key 2651ec05863cb54f
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from apache_beam.io.filesystems import FileSystems

from transforms import metrics
from transforms.key_names import KeyNamer
from transforms.ledger.location import open_store
from transforms.ledger.patience import patiently
from transforms.planning.plan import CopyPlan
from transforms.receipts import RejectedItem
from transforms.rejected_files import RejectedFile, list_rejected
from transforms.run_context import RunContext

__all__ = ["kept_files", "kept_lines", "tie_lines"]


def kept_lines(
    what: str, run_dir: str, run: RunContext, plan: CopyPlan, *, show_keys: bool
) -> Iterator[str]:
    """Yields where such items are kept, and for each reason how many, with one's key.

    Args:
        what: "rejected" or "superseded", as their folder is named.
        run_dir: of the run.
        run: its receipts tell which files count.
        plan: has the keys of the targets.
        show_keys: says the key itself, and not its digest.
    """
    directory = FileSystems.join(run_dir, what)
    namers = {
        each.route.name: KeyNamer(each.table.keys, show=show_keys)
        for each in plan.routes
    }
    counts: Counter[tuple[str, str]] = Counter()
    examples: dict[tuple[str, str], str] = {}
    for item in _items(kept_files(directory, run)):
        reason = item.route, item.code
        counts[reason] += 1
        if reason not in examples:
            examples[reason] = namers[item.route](item.item.wire)
    yield f"{what} items are kept in {directory}"
    for (route, code), items in sorted(counts.items()):
        yield f"  {route}: {code} {items:,}, such as {examples[route, code]}"


def kept_files(directory: str, run: RunContext) -> list[RejectedFile]:
    """Returns the files of a run's rejected or superseded items that count."""
    if run.ledger is None or not run.accounted:
        return list_rejected(directory, None, run.run_id)
    store = open_store(run.ledger)
    return patiently(lambda: list_rejected(directory, store, run.run_id))


def _items(files: Iterable[RejectedFile]) -> Iterator[RejectedItem]:
    for file in files:
        yield from file.read()


def tie_lines(counts: Mapping[str, int], plan: CopyPlan) -> Iterator[str]:
    """Yields what nobody can decide: items as new as the stored one, but others."""
    for each in plan.routes:
        ties = counts.get(metrics.TIES.name_of(each.route.name), 0)
        if ties:
            yield (
                f"{each.route.name}: {ties:,} superseded items are ties, of the same "
                "version as the stored item and with other content; the stored stay"
            )
