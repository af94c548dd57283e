"""What a query costs: the read units of its tables, at on-demand prices."""

from transforms.dynamodb.errors import UserError
from transforms.dynamodb.tables import TableRef
from transforms.planning.prices import read_cost
from transforms.query.plan import QueryPlan, estimate_units
from transforms.query.tables import TableRead

__all__ = ["check_cost", "cost_lines", "query_cost"]


def query_cost(plan: QueryPlan) -> float | None:
    """Returns US dollars at most; None if a region has no price in the dated table.

    On demand: provisioned capacity is paid for whether it is read or not.
    """
    costs = [_cost(read) for read in plan.reads]
    known = [cost for cost in costs if cost is not None]
    return sum(known) if len(known) == len(costs) else None


def _cost(read: TableRead) -> float | None:
    source = read.found.named.source
    if not isinstance(source, TableRef):
        return 0.0
    return read_cost(source.region, estimate_units(read))


def cost_lines(plan: QueryPlan) -> list[str]:
    """Returns the cost as people read it."""
    cost = query_cost(plan)
    if cost is None:
        return ["cost: not known, there is no price for one of the regions"]
    return [f"cost: at most about ${cost:,.4f}, were every table read on demand"]


def check_cost(plan: QueryPlan, most_dollars: float | None) -> None:
    """Refuses a query that costs more, or that nobody knows the cost of.

    Args:
        plan: the query.
        most_dollars: None lets any cost pass.

    Raises:
        UserError: says both figures.
    """
    if most_dollars is None:
        return
    cost = query_cost(plan)
    if cost is None:
        raise UserError(
            f"what the query costs is not known, so not that it is below "
            f"${most_dollars:,.4f} (--max-cost): there is no price for one of the "
            "regions; leave out --max-cost"
        )
    if cost > most_dollars:
        raise UserError(
            f"the query may cost ${cost:,.4f}, and --max-cost is ${most_dollars:,.4f}; "
            "name a partition key in WHERE, query a backup, or raise --max-cost"
        )
