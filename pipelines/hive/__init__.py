"""Hive scripts that move DynamoDB tables: read, checked, and run as copies."""
