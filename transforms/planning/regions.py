"""Regions: whether a name is one, and which was meant if not."""

import difflib
from functools import cache

import boto3

from transforms.dynamodb.errors import UserError
from transforms.dynamodb.tables import TableRef

__all__ = ["check_region"]


def check_region(table: TableRef) -> None:
    """Refuses a table in a region that botocore's list does not have.

    Raises:
        UserError: the region is unknown; names the nearest one.
    """
    known = _known_regions()
    if table.region in known:
        return
    near = difflib.get_close_matches(table.region, known, n=1, cutoff=0.0)[0]
    raise UserError(
        f"{table.display}: there is no region {table.region!r}; did you mean {near!r}? "
        "(A region newer than the installed botocore needs a newer botocore.)"
    )


@cache
def _known_regions() -> tuple[str, ...]:
    """The regions of every partition that have DynamoDB, from botocore's own data."""
    session = boto3.session.Session()
    return tuple(
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("dynamodb", partition)
    )
