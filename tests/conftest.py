"""What every test module shares: suites that need more than Python, and engines."""

pytest_plugins = [
    "tests.support.s3_server",
    "pytester",
    "tests.support.engines",
    "tests.support.properties",
    "tests.support.suites",
]
