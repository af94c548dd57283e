"""The run ledger: what the processes of one run tell each other, in SQLite."""
