"""What every test module shares: the suites that need more than Python."""

pytest_plugins = ["pytester", "tests.support.suites", "tests.support.engines"]
