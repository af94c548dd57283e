"""SQL over DynamoDB tables and backups: wire items to Arrow columns, run by DuckDB."""
