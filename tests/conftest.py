"""What every test module shares: suites that need more than Python, and engines."""

import signal

pytest_plugins = [
    "tests.support.s3_server",
    "pytester",
    "tests.support.engines",
    "tests.support.properties",
    "tests.support.suites",
]

# A shell without job control has what it starts in the background ignore SIGINT, and
# so do the programs that tests start and interrupt; see POSIX, "Asynchronous Lists".
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
