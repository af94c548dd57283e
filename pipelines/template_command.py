"""``beam-dynamodb template``: list, show, validate, render, launch, build."""

import tempfile
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from pipelines.emr.artefacts import bootstrap_script
from pipelines.emr.launch import artefact, checked_job, eks_words, launches_on_emr
from pipelines.emr.placement import read_placement
from pipelines.emr.submission import submit_step
from pipelines.flags import did_you_mean
from pipelines.job_jar import read_job, submit_command
from pipelines.launch import ExitCode
from pipelines.template import (
    Template,
    find_template,
    read_template,
    shipped_templates,
)
from pipelines.template_jars import build_jar, jar_words, refuse_master
from transforms.dynamodb.errors import UserError

__all__ = ["help_text", "run"]

_HELP = """\
usage: beam-dynamodb template list
       beam-dynamodb template show TEMPLATE
       beam-dynamodb template validate TEMPLATE
       beam-dynamodb template render TEMPLATE [--param NAME=VALUE …]
       beam-dynamodb template launch TEMPLATE [--param NAME=VALUE …] [options]
           [-- BEAM FLAGS]
       beam-dynamodb template build TEMPLATE --output JAR --runner-profile NAME
           [--param NAME=VALUE …] [-- BEAM FLAGS]
       beam-dynamodb template launch JAR [--param NAME=VALUE …] --workers N
           --ledger dynamodb:TABLE [options] [-- OPTIONS OF flink run OR spark-submit]
       beam-dynamodb template launch TEMPLATE|JAR --on emr|emr-on-eks --release LABEL
           --code s3://BUCKET/PREFIX [--engine flink|spark] [--cluster ID]
           [--region REGION] [--role ARN --image IMAGE] [--show step|bootstrap]
           [--submit] [--param NAME=VALUE …] --workers N --ledger dynamodb:TABLE
           --run-dir s3://BUCKET/PREFIX [options] [-- OPTIONS OF …]

A template is a job file with parameters: a file of your own, or the name of one that
comes with beam-dynamodb. It may be kept and shared: it holds no credentials.

  list       the templates that come with beam-dynamodb
  show       what a template does, and its parameters
  validate   whether a file is a template; says what is wrong with it
  render     print the job file that the parameters make; the same for the same input
  launch     run that job. Options of the pipeline's own command may follow, as
             --runner-profile flink, --dry-run; they win over the template
  build      make a jar of a copy, for Flink or Spark, that is launched many times,
             each time with its own parameters, by launch

On EMR, launch prints a step for aws emr add-steps, or a job run for aws emr-containers
start-job-run; --submit submits it instead, and --show bootstrap prints the script that
lays our environment on the nodes of a cluster. docs/emr.md has every step.

Example
  beam-dynamodb template launch copy --param source=eu-west-1/orders \\
      --param target=us-east-1/orders --param read_percent=10 --dry-run

Exit codes: those of the pipeline; 2 for a template or parameter that is wrong.
"""

_PIPELINES = {
    "backup": "backup_command",
    "copy": "copy_command",
    "hive": "hive_command",
    "query": "query_command",
    "restore": "restore_command",
}


def help_text() -> str:
    """Returns the help of ``beam-dynamodb template``."""
    return _HELP


def run(words: Sequence[str]) -> ExitCode:
    """Does what the first word says.

    Raises:
        UserError: a word, a template or a parameter that is wrong.
    """
    verb = words[0] if words else ""
    if verb not in _VERBS:
        raise UserError(
            f"template {verb or '…'}: say one of {', '.join(_VERBS)}"
            f"{did_you_mean(verb, _VERBS)}"
        )
    return _VERBS[verb](list(words[1:]))


def _list(words: list[str]) -> ExitCode:
    if words:
        raise UserError(f"template list takes nothing more, not {words[0]}")
    for path in shipped_templates():
        template = read_template(str(path))
        print(f"{path.stem:24}{template.summary}")
    return ExitCode.DONE


def _show(words: list[str]) -> ExitCode:
    template = _only(words, "show")
    print(f"{template.path}\n  {template.pipeline}: {template.summary}\n\nParameters")
    for parameter in template.parameters.values():
        kind = "required" if parameter.required else "optional"
        if parameter.default is not None:
            kind = f"default {parameter.default}"
        print(f"  {parameter.name} ({parameter.type}, {kind})")
        print(f"      {parameter.help}")
        if parameter.choices:
            print(f"      one of {', '.join(map(str, parameter.choices))}")
        if parameter.pattern:
            print(f"      matches {parameter.pattern}")
    return ExitCode.DONE


def _validate(words: list[str]) -> ExitCode:
    template = _only(words, "validate")
    _command_of(template)
    print(f"{template.path}: a template of {len(template.parameters)} parameters")
    return ExitCode.DONE


def _render(words: list[str]) -> ExitCode:
    template, given, left = _split(words, "render")
    if left:
        raise UserError(f"template render takes --param NAME=VALUE, not {left[0]}")
    print(template.render(given), end="")
    return ExitCode.DONE


def _launch(words: list[str]) -> ExitCode:
    if words and words[0].endswith(".jar"):
        return _launch_jar(words)
    template, given, left = _split(words, "launch")
    if launches_on_emr(left):
        return _launch_on_emr(find_template(words[0]), template, given, left)
    return _run(template, given, left)


def _launch_on_emr(
    path: Path,
    template: Template,
    given: dict[str, str],
    left: list[str],
    built_for: str | None = None,
) -> ExitCode:
    place, words = read_placement(left, built_for)
    if place.show == "bootstrap":
        print(bootstrap_script(), end="")
        return ExitCode.DONE
    job = checked_job(place, path, template, given, words)
    if place.on == "emr-on-eks" and place.submit:
        return _run(template, given, [*job.words, "--", *eks_words(place, job)])
    print(submit_step(place, job) if place.submit else artefact(place, job), end="")
    return ExitCode.DONE


def _launch_jar(words: list[str]) -> ExitCode:
    jar = Path(words[0])
    job = read_job(jar)
    with tempfile.TemporaryDirectory(prefix="beam-dynamodb-") as folder:
        path = Path(folder, f"{jar.stem}.yaml")
        path.write_text(job.template, encoding="utf-8")
        template, given, left = _split([str(path), *words[1:]], "launch")
        if launches_on_emr(left):
            return _launch_on_emr(jar, template, given, left, job.runner)
        ours = left[: left.index("--")] if "--" in left else left
        if not any(word.partition("=")[0] in ("--ledger", "--resume") for word in ours):
            raise UserError(
                "--ledger is missing: a built job reports by a ledger alone; give "
                "--ledger dynamodb:TABLE"
            )
        submit = left[len(ours) + 1 :]
        submit_command(job.runner, jar, submit)  # refuses where there is no client
        refuse_master(job, submit)
        return _run(template, given, [*ours, "--", *jar_words(jar, submit)])


def _build(words: list[str]) -> ExitCode:
    template, given, left = _split(words, "build")
    ours = left[: left.index("--")] if "--" in left else left
    said = _pairs(ours, ("--output", "--runner-profile"))
    output = Path(said["--output"])
    build_jar(
        template,
        given,
        profile=said["--runner-profile"],
        output=output,
        beam_words=left[len(ours) + 1 :],
    )
    print(f"built {output}; launch it by: beam-dynamodb template launch {output}")
    return ExitCode.DONE


def _pairs(words: list[str], wanted: tuple[str, ...]) -> dict[str, str]:
    said: dict[str, str] = {}
    waiting = list(words)
    while waiting:
        option, equals, value = waiting.pop(0).partition("=")
        if option not in wanted:
            raise UserError(
                f"template build takes {' and '.join(wanted)}, not {option}"
            )
        said[option] = value if equals else (waiting or [""]).pop(0)
    for option in wanted:
        if not said.get(option):
            raise UserError(f"template build: {option} is missing")
    return said


def _run(template: Template, given: dict[str, str], left: list[str]) -> ExitCode:
    command = _command_of(template)
    text = template.render(given)
    with tempfile.TemporaryDirectory(prefix="beam-dynamodb-") as folder:
        job = Path(folder, "job.yaml")
        job.write_text(text, encoding="utf-8")
        code: ExitCode = command(["--job", str(job), *left])
    return code


_VERBS: dict[str, Callable[[list[str]], ExitCode]] = {
    "list": _list,
    "show": _show,
    "validate": _validate,
    "render": _render,
    "launch": _launch,
    "build": _build,
}


def _only(words: list[str], verb: str) -> Template:
    template, given, left = _split(words, verb)
    if given or left:
        raise UserError(f"template {verb} takes a template and nothing more")
    return template


def _split(words: list[str], verb: str) -> tuple[Template, dict[str, str], list[str]]:
    """Sorts words into the template, its parameters, and all others."""
    if not words or words[0].startswith("-"):
        raise UserError(
            f"template {verb}: name a template, as copy or ./mine.yaml; template list "
            "shows those that come with beam-dynamodb"
        )
    given: dict[str, str] = {}
    left: list[str] = []
    waiting = list(words[1:])
    while waiting:
        word = waiting.pop(0)
        if word == "--":
            left += [word, *waiting]
            break
        if word != "--param" and not word.startswith("--param="):
            left.append(word)
            continue
        said = word.partition("=")[2] if "=" in word else (waiting or [""]).pop(0)
        name, equals, value = said.partition("=")
        if not equals or not name:
            raise UserError(f"--param {said}: write --param NAME=VALUE")
        if name in given:
            raise UserError(f"--param {name} is said twice; keep one")
        given[name] = value
    return read_template(words[0]), given, left


def _command_of(template: Template) -> Callable[[Sequence[str]], ExitCode]:
    module = _PIPELINES.get(template.pipeline)
    if module is None:
        near = did_you_mean(template.pipeline, _PIPELINES)
        raise UserError(
            f"{template.path}: {template.pipeline!r} is no pipeline{near}; there are "
            f"{', '.join(_PIPELINES)}"
        )
    command: Callable[[Sequence[str]], ExitCode] = import_module(
        f"pipelines.{module}"
    ).run
    return command
