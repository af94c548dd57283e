"""A plan with what it will take and cost, for people and as JSON."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from transforms.dynamodb.errors import UserError
from transforms.dynamodb.tables import TableRef
from transforms.dynamodb.transport import TransportConfig
from transforms.planning.cautions import cautions, targets_with_items
from transforms.planning.estimate import Estimate, estimate_copy
from transforms.planning.facts import TableFacts, gather_facts, side_by_side
from transforms.planning.plan import CopyPlan
from transforms.planning.prices import Prices, current_prices, dated_prices
from transforms.planning.samples import take_sample
from transforms.selection import open_selector
from transforms.throttle.clock import SystemClock

__all__ = ["CopyCost", "CopyReport", "report_copy"]


@dataclass(frozen=True, slots=True)
class CopyCost:
    """Dollars. Units of provisioned tables are paid for already, so they cost 0.

    Attributes:
        read: of the source's units.
        writes: of each route's units; None where no price is known.
        transfers: of what leaves the source's region for each route's.
    """

    read: float | None
    writes: dict[str, float | None]
    transfers: dict[str, float | None]

    @property
    def total(self) -> float | None:
        """All of it; None if a part is not known."""
        parts = [self.read, *self.writes.values(), *self.transfers.values()]
        known = [part for part in parts if part is not None]
        return sum(known) if len(known) == len(parts) else None


@dataclass(frozen=True, slots=True)
class CopyReport:
    """All that is known of a copy before it runs."""

    plan: CopyPlan
    facts: tuple[TableFacts, ...]
    estimate: Estimate
    cost: CopyCost
    prices: Prices
    warnings: tuple[str, ...]
    sample_units: float

    def lines(self) -> list[str]:
        """Returns it as people read it."""
        lines = ["tables", *side_by_side(self.facts), "", *self.plan.lines(), ""]
        return lines + self.estimate_lines()

    def estimate_lines(self) -> list[str]:
        """Returns what it will take, what it costs, and the warnings."""
        lines = self._estimate_lines() + self._cost_lines()
        return lines + [f"warning: {warning}" for warning in self.warnings]

    def check_cost(self, most_dollars: float | None) -> None:
        """Refuses a copy that costs more, or that nobody knows the cost of.

        Args:
            most_dollars: None lets any cost pass.

        Raises:
            UserError: says both figures.
        """
        total = self.cost.total
        if most_dollars is None:
            return
        if total is None:
            raise UserError(
                f"what the copy costs is not known, so not that it is below "
                f"${most_dollars:,.2f} (--max-cost): there is no price for one of the "
                "regions; leave out --max-cost"
            )
        if total > most_dollars:
            raise UserError(
                f"the copy is estimated to cost {_dollars(total)}, and --max-cost is "
                f"${most_dollars:,.2f}; filter more, sample, or raise --max-cost"
            )

    def _estimate_lines(self) -> list[str]:
        estimate = self.estimate
        basis = (
            "all items, read just now"
            if estimate.is_exact
            else f"{estimate.sampled:,} items, read just now, and the table's own count"
        )
        if self.plan.pushed.queries and not estimate.is_exact:
            basis = f"the first {estimate.sampled:,} items of the keys: at least these"
        lines = [
            f"estimate, of {basis} ({self.sample_units:,.1f} RCU)",
            (
                f"  read: {estimate.items:,.0f} items, "
                f"{estimate.size_bytes / 1e6:,.1f} MB, "
                f"{estimate.read_units:,.1f} RCU{_in_time(estimate.read_seconds)}"
            ),
        ]
        for route in estimate.routes:
            indexes = "".join(
                f", {units:,.0f} in {name}" for name, units in route.index_units.items()
            )
            lines.append(
                f"  {route.name}: {route.items:,.0f} items, "
                f"{route.size_bytes / 1e6:,.1f} MB, {route.units:,.0f} WCU{indexes}"
                f"{_in_time(route.seconds)}"
            )
        took = "as fast as the tables allow"
        if estimate.seconds is not None:
            took = f"about {_time(estimate.seconds)} at these rates"
        return [*lines, f"  duration: {took}"]

    def _cost_lines(self) -> list[str]:
        parts = [f"read {_dollars(self.cost.read)}"]
        for name, write in self.cost.writes.items():
            moved = self.cost.transfers[name]
            parts.append(f"{name} {_dollars(write)} and transfer {_dollars(moved)}")
        return [
            f"  cost: {_dollars(self.cost.total)} ({'; '.join(parts)})",
            (
                f"  prices: of {self.prices.date}, from {self.prices.source}; "
                "on demand, Standard class; provisioned capacity is paid for already"
            ),
        ]

    def to_json(self) -> dict[str, Any]:
        """Returns it as plain data; names and units as in the text."""
        plan, estimate = self.plan, self.estimate
        routes = [
            {
                "name": planned.route.name,
                "table": planned.route.target.display,
                "mode": planned.route.mode,
                "rate": str(planned.write),
                "items": written.items,
                "bytes": written.size_bytes,
                "write_units": written.units,
                "index_units": dict(written.index_units),
                "seconds": written.seconds,
                "cost": self.cost.writes[written.name],
                "transfer_cost": self.cost.transfers[written.name],
            }
            for planned, written in zip(plan.routes, estimate.routes, strict=True)
        ]
        return {
            "tables": [asdict(each) for each in self.facts],
            "source": {
                "table": plan.request.source.display,
                "index": plan.index.name if plan.index else None,
                "segments": plan.segments,
                "rate": str(plan.read),
                "pushed_down": list(plan.pushed.notes),
                "items": estimate.items,
                "bytes": estimate.size_bytes,
                "read_units": estimate.read_units,
                "seconds": estimate.read_seconds,
                "cost": self.cost.read,
            },
            "routes": routes,
            "estimate": {
                "sampled_items": estimate.sampled,
                "sample_units": self.sample_units,
                "is_exact": estimate.is_exact,
                "seconds": estimate.seconds,
                "cost": self.cost.total,
            },
            "prices": {"date": self.prices.date, "source": self.prices.source},
            "warnings": list(self.warnings),
        }


def report_copy(
    plan: CopyPlan,
    transport: TransportConfig,
    sample_items: int,
    not_there: Collection[TableRef] = (),
) -> CopyReport:
    """Samples the source and works out what the copy will take. Blocking.

    Args:
        plan: the copy, checked.
        transport: connections and timeouts.
        sample_items: how many items are read for it, at the read rate.
        not_there: targets that are yet to be made.
    """
    request = plan.request
    sample = take_sample(
        request.source,
        sample_items,
        rate=plan.read.rate,
        transport=transport,
        pushed=plan.pushed,
        index=request.index,
    )
    selector = None
    if request.selection is not None:
        selector = open_selector(request.selection, transport, SystemClock().wall)
    estimate = estimate_copy(plan, sample, selector)
    prices = _prices(plan)
    there = [each for each in plan.routes if each.route.target not in not_there]
    tables = [request.source, *(planned.route.target for planned in there)]
    with_items = targets_with_items(there, transport)
    return CopyReport(
        plan=plan,
        facts=tuple(gather_facts(tables, transport)),
        estimate=estimate,
        cost=_cost(plan, estimate, prices),
        prices=prices,
        warnings=tuple(cautions(plan, estimate, with_items)),
        sample_units=sample.units,
    )


def _prices(plan: CopyPlan) -> Prices:
    """An endpoint of somebody's own has no price list that would be asked."""
    tables = [plan.request.source, *(each.route.target for each in plan.routes)]
    if any(table.endpoint_url for table in tables):
        return dated_prices()
    return current_prices({table.region for table in tables})


def _cost(plan: CopyPlan, estimate: Estimate, prices: Prices) -> CopyCost:
    region = plan.request.source.region
    read = 0.0 if plan.source.billing_mode == "PROVISIONED" else None
    if read is None:
        read = prices.reads(region, estimate.read_units)
    writes: dict[str, float | None] = {}
    transfers: dict[str, float | None] = {}
    for planned, written in zip(plan.routes, estimate.routes, strict=True):
        target = planned.route.target.region
        is_paid = planned.table.billing_mode == "PROVISIONED"
        writes[written.name] = 0.0 if is_paid else prices.writes(target, written.units)
        transfers[written.name] = prices.transfer(region, target, written.size_bytes)
    return CopyCost(read, writes, transfers)


def _dollars(amount: float | None) -> str:
    if amount is None:
        return "not known"
    return f"${amount:,.2f}" if amount >= 1 or amount == 0 else f"${amount:.4f}"


def _in_time(seconds: float | None) -> str:
    return "" if seconds is None else f", {_time(seconds)}"


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts: Sequence[str] = [f"{hours:,} h", f"{minutes} min", f"{rest} s"]
    kept = [part for part in parts if not part.startswith("0 ")]
    return " ".join(kept[:2]) or "under a second"
