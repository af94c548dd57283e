"""The sink's DoFns: batches in, receipts out. `transforms.write` arranges them."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import apache_beam as beam
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.windowed_value import WindowedValue

from transforms import metrics
from transforms.accounts import book_of
from transforms.dynamodb.client import client_for
from transforms.dynamodb.errors import JobStoppedError
from transforms.dynamodb.event_loop import worker_loop
from transforms.dynamodb.keys import KeyDecoder
from transforms.items import Item, ItemBatch, Origin
from transforms.key_names import KeyNamer
from transforms.ledger.page_book import PageBook
from transforms.limits import budget_name, limiter_for
from transforms.metrics import Metric
from transforms.outcomes import GaveWay, Outcome, Refused
from transforms.receipts import Receipt, RejectedItem
from transforms.rejected_files import RejectedFiles
from transforms.routes import ItemProgram, Processed
from transforms.run_values import RunValue
from transforms.selection import ItemSelector, open_selector
from transforms.sink_options import Branches, Program
from transforms.spool import Spool
from transforms.spooled_writer import ItemWriter, SpooledWriter
from transforms.stop import StoppedError, stop_if_asked, stop_requested
from transforms.tally import Tally
from transforms.throttle.clock import SystemClock
from transforms.writers import Target

__all__ = [
    "REJECTED",
    "SHARED",
    "FilterAndMap",
    "WriteItems",
]

REJECTED: Final = "rejected"
"""Tag of the sink's second output."""

SHARED = "shared"
"""Owner of the evaluations of the filter that all routes share."""


class FilterAndMap(beam.DoFn):
    """Applies an `ItemProgram` to batches and counts the filter's evaluations."""

    def __init__(self, program: RunValue[Program]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._told = program

    def setup(self) -> None:
        """Compiles the program; compiled decoders do not travel."""
        told = self._told.get()
        self._program = ItemProgram(told.filter, told.columns)
        self._tally = Tally(told.run)
        self._selector: ItemSelector | None = None
        if told.selection is not None:
            wall = SystemClock().wall
            self._selector = open_selector(told.selection, told.transport, wall)

    def start_bundle(self) -> None:
        """Opens the book of this bundle's thread."""
        self._book = book_of(self._told.get().run)

    def process_batch(self, batch: ItemBatch) -> Iterator[ItemBatch]:
        """Yields the kept items of the batch, if there are any."""
        # A book has a leaf for each page; as a rule a batch is one.
        parts = [batch] if self._book is None else batch.split_runs()
        for part in parts:
            kept = self._keep(part)
            if len(kept):
                yield kept

    def _keep(self, batch: ItemBatch) -> ItemBatch:
        origin, kept = batch.runs[0][0] if batch.runs else None, batch
        if self._selector is not None:
            selected = self._selector.apply(batch)
            self._leave_out(metrics.EXPIRED, selected.expired, origin)
            self._leave_out(metrics.SHARED_FILTERED, selected.not_sampled, origin)
            kept = selected.kept
        done = self._program.apply(kept)
        self._tally.add(metrics.FILTER_EVALUATIONS, done.evaluated, SHARED)
        self._leave_out(metrics.SHARED_FILTERED, done.filtered, origin)
        return done.kept

    def _leave_out(self, metric: Metric, items: int, origin: Origin | None) -> None:
        self._tally.add(metric, items)
        if self._book is not None and origin is not None:
            self._book.left_out(origin.segment, origin.page, metric.name, items)

    def finish_bundle(self) -> None:
        """Shows the progress, and writes the receipts of pages left out whole."""
        self._tally.flush()
        if self._book is not None:
            self._book.flush(at_once=True)

    def infer_output_type(self, _input_type: object) -> type[Item]:
        """Items, though batches of them travel between fused steps."""
        return Item


Written: TypeAlias = (
    Receipt | beam.pvalue.TaggedOutput[Literal["rejected"], RejectedItem]
)
Finished: TypeAlias = (
    WindowedValue | beam.pvalue.TaggedOutput[Literal["rejected"], WindowedValue]
)


class _Submitted(NamedTuple):
    """What the sink remembers of items on their way."""

    origin: Origin | None
    items: int
    filtered: int
    skipped: int
    fanned_out: int


class WriteItems(beam.DoFn):
    """Feeds batches of one route to a `LaneWriter` and tells what became of them.

    Results may come batches later; a bundle ends only when each of its items is
    written, superseded or rejected (I2).
    """

    def __init__(self, branches: RunValue[Branches], index: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._branches, self._index = branches, index
        self._writer: ItemWriter | None = None
        self._book: PageBook | None = None
        self._ready: list[Written] = []

    def setup(self) -> None:
        """Opens the route's table: its keys, its capacity, its client."""
        branches = self._branches.get()
        self._options = branches.options
        self._route = branches.routes[self._index]
        route, run = self._route, self._options.run
        self._program = ItemProgram.of_route(route)
        self._tally = Tally(run)
        self._rejected_files = self._files_in(self._options.rejected_directory)
        self._superseded_files = self._files_in(self._options.superseded_directory)
        transport = self._options.transport
        client = client_for(route.target, transport)
        table = worker_loop().run(client.describe_table())
        self._limiter = limiter_for(
            route.target,
            "write",
            route.write,
            table,
            run=run,
            transport=transport,
        )
        self._waited_seconds = self._limiter.waited_seconds
        keys = KeyDecoder(table.keys)
        self._key_namer = KeyNamer(table.keys, show=self._options.show_keys)
        self._target = Target(route, client, keys, self._limiter, transport)

    def start_bundle(self) -> None:
        """Starts with no request in flight: those of a failed bundle are dropped."""
        self.teardown()
        self._book = book_of(self._options.run)
        # A mapping may give two items one key.
        keys_unique = self._options.keys_unique and self._route.mapping is None
        lanes = self._target.make_writer(
            keys_unique=keys_unique,
            keeps_superseded=bool(self._superseded_files),
            on_finished=self._book.news.set if self._book else None,
        )
        isolation, run = self._options.isolation, self._options.run
        self._writer = self._lanes = lanes
        if isolation is not None:
            self._writer = SpooledWriter(
                lanes, Spool(isolation), lambda: run is not None and stop_requested(run)
            )
        elif self._book is not None:
            self._book.join(self._route.name, self)

    @beam.DoFn.yields_elements  # type: ignore[untyped-decorator]
    def process_batch(self, batch: ItemBatch) -> Iterator[Written]:
        """Queues the batch's items; yields what became of earlier ones."""
        writer = self._open_writer()
        # A book has a leaf for each page. Else items that a shuffle has mixed stay
        # together: page by page each request would hold one of them.
        parts = [batch] if self._book is None else batch.split_runs()
        for part in parts:
            done = self._program.apply(part)
            self._count_program(done)
            token = _Submitted(
                part.runs[0][0] if len(part.runs) == 1 else None,
                len(part),
                done.filtered,
                done.skipped,
                done.fanned_out,
            )
            refused = [Refused(*each, 0) for each in done.rejected]
            self._refuse_to_go_on(refused)
            writer.submit(done.kept.wires, token, refused)
        self.settle_finished()
        yield from self._take_ready()

    @property
    def is_busy(self) -> bool:
        """Whether any item is on its way, or written and not settled."""
        return self._writer is self._lanes and self._lanes.is_busy

    @property
    def has_queue(self) -> bool:
        """Whether any of them was not sent yet."""
        return self._lanes.has_queue

    @property
    def answers(self) -> int:
        """How many requests of this bundle have been answered."""
        return self._lanes.answers

    def settle_finished(self) -> None:
        """Settles what is written by now; it is yielded with the next batch."""
        self._ready += self._results(self._open_writer().take_finished())

    def _take_ready(self) -> list[Written]:
        ready, self._ready = self._ready, []
        return ready

    def finish_bundle(self) -> Iterator[Finished]:
        """Waits for everything in flight; yields the rest of the results."""
        run = self._options.run
        # A run with receipts finishes what is on its way; any other is run again.
        look_up = None if run and run.accounted else partial(stop_if_asked, run)
        for outcomes in self._drained(look_up):
            self._ready += self._results(outcomes)
            yield from map(_in_global_window, self._take_ready())
            self._tally.flush()
        waited = self._limiter.waited_seconds
        self._tally.add_units(
            metrics.THROTTLED_SECONDS,
            waited - self._waited_seconds,
            budget_name("write", self._route.target, None),
        )
        self._waited_seconds = waited
        self._tally.flush()
        if self._book is not None:
            self._book.flush(at_once=True)
        if isinstance(self._writer, SpooledWriter) and self._writer.dropped:
            raise StoppedError(
                f"the run was stopped while {self._writer.dropped} pages waited for "
                f"route {self._route.name}; go on with --resume"
            )

    def _drained(self, look_up: Callable[[], None] | None) -> Iterator[list[Outcome]]:
        """Yields all that is left; what waits on disk as it is written."""
        writer = self._open_writer()
        if isinstance(writer, SpooledWriter):
            while not writer.is_handed_on(look_up):
                yield writer.take_finished()
        yield writer.drain(look_up)

    def teardown(self) -> None:
        """Cancels what is in flight."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
            self._ready.clear()

    def infer_output_type(self, _input_type: object) -> Any:
        """Receipts on the main output; the tagged one is typed by `write`."""
        return Receipt

    def _open_writer(self) -> ItemWriter:
        if self._writer is None:
            raise JobStoppedError("a bundle was processed before it was started")
        return self._writer

    def _count_program(self, done: Processed) -> None:
        name, tally = self._route.name, self._tally
        tally.add(metrics.FILTER_EVALUATIONS, done.evaluated, name)
        tally.add(metrics.FILTERED, done.filtered, name)
        tally.add(metrics.SKIPPED, done.skipped, name)
        tally.add(metrics.FANNED_OUT, done.fanned_out, name)

    def _results(self, outcomes: list[Outcome]) -> Iterator[Written]:
        for outcome in outcomes:
            self._count_outcome(outcome)
            submitted = outcome.token
            assert isinstance(submitted, _Submitted)  # our own token
            self._refuse_to_go_on(outcome.refused)
            rejected = [self._rejected(each) for each in outcome.refused]
            receipt = self._receipt(outcome, submitted)
            yield receipt
            # Before the receipt that counts them.
            if rejected and self._rejected_files:
                self._rejected_files.keep(receipt.origin, rejected)
            if outcome.gave_way and self._superseded_files:
                kept = [self._superseded(each) for each in outcome.gave_way]
                self._superseded_files.keep(receipt.origin, kept)
            for each in rejected:
                yield beam.pvalue.TaggedOutput(REJECTED, each)
            if self._book is not None and receipt.origin is not None:
                self._settle(self._book, receipt, receipt.origin, outcome)
        if self._book is not None and outcomes:
            self._book.flush()

    def _settle(
        self, book: PageBook, receipt: Receipt, origin: Origin, outcome: Outcome
    ) -> None:
        name = self._route.name
        counts = {
            metrics.WRITTEN.name_of(name): receipt.written,
            metrics.FILTERED.name_of(name): receipt.filtered,
            metrics.SKIPPED.name_of(name): receipt.skipped,
            metrics.FANNED_OUT.name_of(name): receipt.fanned_out,
            metrics.SUPERSEDED.name_of(name): receipt.superseded,
            metrics.REJECTED.name_of(name): receipt.rejected,
            metrics.TIES.name_of(name): outcome.ties,
        }
        has_file = bool(self._rejected_files and outcome.refused)
        has_file |= bool(self._superseded_files and outcome.gave_way)
        page, items = origin.page, receipt.items
        book.settle(origin.segment, page, name, items, counts, has_file=has_file)

    def _count_outcome(self, outcome: Outcome) -> None:
        name, tally = self._route.name, self._tally
        tally.add(metrics.WRITTEN, outcome.written, name)
        tally.add(metrics.SUPERSEDED, outcome.superseded, name)
        tally.add(metrics.TIES, outcome.ties, name)
        tally.add(metrics.REJECTED, len(outcome.refused), name)
        tally.add(metrics.RETRIED_BATCHES, outcome.retried_requests, name)
        tally.add_units(metrics.WRITE_UNITS, outcome.units, name)

    def _receipt(self, outcome: Outcome, submitted: _Submitted) -> Receipt:
        return Receipt(
            route=self._route.name,
            origin=submitted.origin,
            items=submitted.items,
            written=outcome.written,
            filtered=submitted.filtered,
            superseded=outcome.superseded,
            rejected=len(outcome.refused),
            write_units=outcome.units,
            skipped=submitted.skipped,
            fanned_out=submitted.fanned_out,
        )

    def _refuse_to_go_on(self, refused: Sequence[Refused]) -> None:
        if refused and self._options.on_reject == "fail":
            raise JobStoppedError(
                f"route {self._route.name}: an item was rejected after "
                f"{refused[0].attempts} attempts: {refused[0].reason} "
                f"({self._key_namer(refused[0].wire)}); "
                'correct it, or collect such items with on_reject="collect"'
            )

    def _files_in(self, directory: str | None) -> RejectedFiles | None:
        return None if directory is None else RejectedFiles(directory, self._route.name)

    def _superseded(self, gave_way: GaveWay) -> RejectedItem:
        """A line of the same form as a rejected item's; it was no item's fault."""
        return RejectedItem(self._route.name, gave_way.reason, 1, Item(gave_way.wire))

    def _rejected(self, refused: Refused) -> RejectedItem:
        return RejectedItem(
            self._route.name, refused.reason, refused.attempts, Item(refused.wire)
        )


def _in_global_window(result: Written) -> Finished:
    if isinstance(result, beam.pvalue.TaggedOutput):
        value = GlobalWindows.windowed_value(result.value)
        return beam.pvalue.TaggedOutput(result.tag, value)
    return GlobalWindows.windowed_value(result)
