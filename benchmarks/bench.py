"""`python -m benchmarks`: CPU per item of every contender, side by side in one run.

Rounds are interleaved: in each round every contender runs once in two sizes, so a
machine that slows down slows all of them. The cost per item is the difference of the
two sizes; the figure shown is the median of the rounds.
"""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from benchmarks.contenders import CONTENDERS, Contender, Task
from benchmarks.contenders.setups import SetupError
from benchmarks.measure import ContenderFailedError, Cost, environment, run
from benchmarks.results import Row, show
from benchmarks.stub_server import StubServer

REFERENCE = "boto3-threads"

Measured = tuple[float, Cost]
"""CPU µs per item, and the cost of the larger run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One table of the bench: a work, over one kind of items and one scheme."""

    scheme: str
    kind: str
    work: str
    contenders: Sequence[str]
    rounds: int
    service_time: str = "5ms"


@dataclass(slots=True)
class Findings:
    """What a run of the bench found: rows, and who could not take part, and why."""

    rows: list[Row] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)


def compare(plan: Plan) -> Findings:
    """Runs the plan and prints its table."""
    findings = Findings()
    is_secure = plan.scheme == "https"
    with StubServer(
        kind=plan.kind, service_time=plan.service_time, tls=is_secure
    ) as stub:
        costs = _rounds(stub, plan, findings.failures)
    findings.rows += _rows(plan, costs)
    show(findings.rows)
    return findings


def _rounds(
    stub: StubServer, plan: Plan, failures: dict[str, str]
) -> dict[str, list[Measured]]:
    """Runs all contenders in turn, some rounds of it."""
    contenders = [CONTENDERS[name] for name in plan.contenders]
    costs: dict[str, list[Measured]] = {each.name: [] for each in contenders}
    for round_ in range(plan.rounds):
        for contender in contenders:
            takes_part = contender.does(plan.work, plan.kind, plan.scheme)
            if not takes_part or round_ >= contender.rounds:
                continue
            place = f"{contender.name} {plan.scheme} {plan.work} {plan.kind}"
            try:
                costs[contender.name].append(_cost(stub, contender, plan))
            except (ContenderFailedError, SetupError) as error:
                failures[place] = str(error)
                print(f"failed: {place}: {error}", flush=True)
    return costs


def _cost(stub: StubServer, contender: Contender, plan: Plan) -> Measured:
    sizes = contender.sizes(plan.work, plan.kind)
    variables = environment(stub.ca_file)
    tasks = [Task(plan.work, stub.endpoint, size, stub.ca_file) for size in sizes]
    small, large = (run(contender.command(task), variables) for task in tasks)
    seconds = large.cpu_seconds - small.cpu_seconds
    return 1e6 * seconds / (sizes[1] - sizes[0]), large


def _rows(plan: Plan, costs: dict[str, list[Measured]]) -> Iterator[Row]:
    medians = {
        name: statistics.median(cpu for cpu, _ in each)
        for name, each in costs.items()
        if each
    }
    reference = medians.get(REFERENCE)
    for name, median in medians.items():
        runs = [cost for _, cost in costs[name]]
        yield Row(
            work=plan.work,
            items=plan.kind,
            contender=name,
            scheme=plan.scheme,
            cpu_us_per_item=round(median, 3),
            wall_s=round(statistics.median(each.wall_seconds for each in runs), 2),
            rss_mb=round(max(each.rss_mb for each in runs)),
            ratio_to_boto3_threads=reference and round(reference / median, 1),
        )
