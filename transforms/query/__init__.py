"""SQL over DynamoDB tables and backups: wire items to Arrow columns, run by DuckDB."""

from importlib.util import find_spec

from transforms.dynamodb.errors import UserError

_missing = [name for name in ("duckdb", "sqlglot") if find_spec(name) is None]
if _missing:
    raise UserError(
        f"queries need {' and '.join(_missing)}, which are not installed; "
        "pip install 'beam-dynamodb[query]'"
    )
