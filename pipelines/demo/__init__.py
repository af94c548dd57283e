"""The demonstration: both copies, on real records, on an embedded engine."""
