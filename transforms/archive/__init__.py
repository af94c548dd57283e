"""Backups of tables on a file system: their files, how they are written and read."""
