"""What a job would do, and whether it can, before anything is written."""
