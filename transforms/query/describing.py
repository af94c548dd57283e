"""What SQL would give, found out on empty tables: its columns, and if it aggregates."""

import duckdb

from transforms.query.duck import Session, explain_error
from transforms.query.schema import quote_name
from transforms.query.stages import INPUT, Input, Shape

__all__ = ["Describer"]


class Describer:
    """Asks DuckDB. Holds a session, which its maker closes."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def shape(
        self, sql: str, rows: Shape | None = None, inputs: tuple[Input, ...] = ()
    ) -> Shape:
        """Returns the columns of SQL.

        Args:
            sql: may read `INPUT`.
            rows: the columns of `INPUT`.
            inputs: the other tables.

        Raises:
            UserError: it does not bind.
        """
        self._create(rows, inputs)
        try:
            relation = self._session.sql(sql)
            names, kinds = relation.columns, relation.types
            return tuple((n, str(kind)) for n, kind in zip(names, kinds, strict=True))
        except duckdb.Error as error:
            raise explain_error(error) from error

    def aggregates(self, sql: str, rows: Shape, inputs: tuple[Input, ...] = ()) -> bool:
        """True if SQL makes a row of no rows, as an aggregate does and no other."""
        self._create(rows, inputs)
        try:
            return bool(self._session.execute(sql).fetchall())
        except duckdb.Error as error:
            raise explain_error(error) from error

    def is_aggregate(self, function: str) -> bool:
        """True if DuckDB has an aggregate of this name."""
        found = self._session.execute(
            "SELECT count(*) FROM duckdb_functions() "
            "WHERE lower(function_name) = lower(?) AND function_type = 'aggregate'",
            [function],
        ).fetchone()
        return bool(found and found[0])

    def _create(self, rows: Shape | None, inputs: tuple[Input, ...]) -> None:
        tables = {quote_name(each.name): each.node.shape for each in inputs}
        if rows is not None:
            tables[INPUT] = rows
        for name, shape in tables.items():
            columns = ", ".join(f"{quote_name(each)} {kind}" for each, kind in shape)
            self._session.execute(f"CREATE OR REPLACE TEMP TABLE {name} ({columns})")
