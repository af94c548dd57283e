"""What contenders need beyond this project, made by the bench's own command.

Nothing here is installed into `.venv`: a virtual environment and class files in
`build/`, jars in Maven's own cache.
"""

import subprocess
import sys
from functools import cache
from pathlib import Path

from benchmarks.stub_server import ROOT

_BUILD = ROOT / "build"
_JAVA = ROOT / "benchmarks" / "java"
_PYIO = _BUILD / "pyio"
_DYNAMODUMP = _BUILD / "dynamodump"

DYNAMODUMP_VERSION = "1.11.1"

_SPARK_OPENS = (
    "java.lang java.lang.invoke java.lang.reflect java.io java.net java.nio java.util "
    "java.util.concurrent java.util.concurrent.atomic sun.nio.ch sun.nio.cs "
    "sun.security.action sun.util.calendar"
)


class SetupError(RuntimeError):
    """A contender can't take part; the text says why."""


@cache
def pyio_python() -> str:
    """Returns the Python of dynamodb-pyio, which wants an older urllib3 than ours."""
    python = _PYIO / "bin" / "python"
    if not (_PYIO / "ready").exists():
        _run(sys.executable, "-m", "venv", str(_PYIO))
        _run(str(python), "-m", "pip", "install", "--quiet", "dynamodb-pyio==0.1.1")
        (_PYIO / "ready").touch()
    return str(python)


@cache
def dynamodump_command() -> tuple[str, ...]:
    """Returns how dynamodump is called; it wants a boto3 of its own."""
    python = _DYNAMODUMP / "bin" / "python"
    if not (_DYNAMODUMP / "ready").exists():
        wanted = f"dynamodump=={DYNAMODUMP_VERSION}"
        _run(sys.executable, "-m", "venv", str(_DYNAMODUMP))
        _run(str(python), "-m", "pip", "install", "--quiet", wanted)
        (_DYNAMODUMP / "ready").touch()
    return str(python), str(python.with_name("dynamodump"))


@cache
def java_arguments(project: str, main_class: str) -> tuple[str, ...]:
    """Compiles a project of `benchmarks/java`; returns what `java` is called with."""
    source = _JAVA / project
    classes, class_path = _BUILD / f"{project}-classes", _BUILD / f"{project}.classpath"
    if not class_path.exists():
        output = f"-Dmdep.outputFile={class_path}"
        _run("mvn", "-q", "-B", "dependency:build-classpath", output, folder=source)
    jars = class_path.read_text().strip()
    _run("javac", "--release", "17", "-cp", jars, "-d", str(classes), *_sources(source))
    # An argument file: the class path alone is 12 KB.
    arguments = _BUILD / f"{project}.args"
    opens = (
        f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in _SPARK_OPENS.split()
    )
    arguments.write_text("\n".join(("-Xmx1g", *opens, "-cp", f"{jars}:{classes}")))
    return ("java", f"@{arguments}", main_class)


def trust_store(ca_file: str) -> str:
    """Returns a file by which Java trusts the stub's authority, made beside it."""
    store = Path(ca_file).with_suffix(".p12")
    if not store.exists():
        _run(
            *(
                "keytool",
                "-importcert",
                "-noprompt",
                "-file",
                ca_file,
                "-alias",
                "stub",
            ),
            *(
                "-keystore",
                str(store),
                "-storetype",
                "PKCS12",
                "-storepass",
                "changeit",
            ),
        )
    return str(store)


def _sources(folder: Path) -> list[str]:
    return [str(path) for path in folder.glob("*.java")]


def _run(*command: str, folder: Path = ROOT) -> None:
    try:
        subprocess.run(
            command, cwd=folder, check=True, capture_output=True, text=True, timeout=900
        )
    except FileNotFoundError as error:
        raise SetupError(f"{command[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise SetupError(f"{command[0]} took more than 15 minutes") from error
    except subprocess.CalledProcessError as error:
        said = f"{error.stdout}{error.stderr}".strip().splitlines()
        raise SetupError(f"{command[0]} failed: {' / '.join(said[-3:])}") from error
