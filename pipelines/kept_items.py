"""What a copy says of the items that it kept aside: rejected and superseded ones.

rejected items are kept in .beam-dynamodb/runs/…/rejected
  oregon: ItemTooLarge 12, such as key 2651ec05863cb54f
"""

from collections import Counter
from collections.abc import Iterator, Mapping

from apache_beam.io.filesystems import FileSystems

from transforms import metrics
from transforms.key_names import KeyNamer
from transforms.planning.plan import CopyPlan
from transforms.rejected_files import read_rejected

__all__ = ["kept_lines", "tie_lines"]


def kept_lines(
    what: str, run_dir: str, plan: CopyPlan, *, show_keys: bool
) -> Iterator[str]:
    """Yields where such items are kept, and for each reason how many, with one's key.

    Args:
        what: "rejected" or "superseded", as their folder is named.
        run_dir: of the run.
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
    for item in read_rejected(directory):
        reason = item.route, item.code
        counts[reason] += 1
        if reason not in examples:
            examples[reason] = namers[item.route](item.item.wire)
    yield f"{what} items are kept in {directory}"
    for (route, code), items in sorted(counts.items()):
        yield f"  {route}: {code} {items:,}, such as {examples[route, code]}"


def tie_lines(counts: Mapping[str, int], plan: CopyPlan) -> Iterator[str]:
    """Yields what nobody can decide: items as new as the stored one, but others."""
    for each in plan.routes:
        ties = counts.get(metrics.TIES.name_of(each.route.name), 0)
        if ties:
            yield (
                f"{each.route.name}: {ties:,} superseded items are ties, of the same "
                "version as the stored item and with other content; the stored stay"
            )
