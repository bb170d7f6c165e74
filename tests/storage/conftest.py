"""Small real stores, snapshots and processes for the tests of storage."""

from __future__ import annotations

import dataclasses
import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest
from sqlalchemy import NullPool, create_engine

from storage.content import publish, staging
from storage.metrics.reader import MetricsReader
from storage.metrics.store import MetricsStore
from storage.records import (
    Candidate,
    CheckResult,
    Comparison,
    ConfusionMatrix,
    Decision,
    Epoch,
    Evaluation,
    Gate,
    Metric,
    Observation,
    RunStart,
    SnapshotRecord,
    Split,
)
from storage.sequences import Sequences
from storage.settings import Settings
from storage.snapshots import Rows, row_ids
from tests.postgresql import PostgreSQL

ROOT = Path(__file__).parents[2]
PASSED = Gate("accuracy", "pass", 0.9, 0.55, "accuracy is above chance")

Spawn = Callable[..., "subprocess.Popen[str]"]
MakeRows = Callable[..., Rows]
MakeBench = Callable[[], "Bench"]


def evaluation(split: Split, *, accuracy: float = 0.9, auc: float = 0.95) -> Evaluation:
    metrics = (
        Metric("accuracy", "overall", accuracy, max(accuracy - 0.1, 0), min(accuracy + 0.1, 1), 0.95),
        Metric("auc", "overall", auc),
        Metric("recall", "class 1", 0.8),
        Metric("log_loss", "overall", 1.5),
    )
    return Evaluation(split, ConfusionMatrix(45, 5, 5, 45), auc, 0.01, metrics)


def comparison(champion_id: str, index: int, **changes: Any) -> Comparison:
    usual = Comparison(champion_id, index, 0.025, 100, 9, 1, 0.01, 0.08, 0.02, 0.14, 0.03, 0.01, 0.05, 0.01)
    return dataclasses.replace(usual, **changes)


@dataclasses.dataclass(frozen=True)
class Bench:
    """A store in a database of its own, and short ways to fill it and to look into it."""

    store: MetricsStore

    @property
    def url(self) -> str:
        return self.store.url

    @property
    def reader(self) -> MetricsReader:
        return MetricsReader(self.url)

    def start_run(self, line: str = "imdb", *, dry_run: bool = False, **changes: Any) -> str:
        usual = RunStart("retrain", line, "command line", {"epochs": 3}, 7, dry_run, {"python": "3.11"}, "abc-dirty")
        return self.store.start_run(dataclasses.replace(usual, **changes))

    def snapshot(self, run_id: str, **changes: Any) -> SnapshotRecord:
        rows = {"train": 80, "validation": 10, "test": 20}
        usual = SnapshotRecord("s1", "t1", "imdb", "imdb.npz", "it was named", "f00d", rows, 2025, 1)
        record = dataclasses.replace(usual, **changes)
        self.store.record_snapshot(run_id, record)
        return record

    def candidate(self, run_id: str | None = None, model: str = "baseline_avgpool", **changes: Any) -> Candidate:
        """Record a candidate, of a run of its own unless one is named."""
        run_id = run_id or self.start_run()
        usual = Candidate(
            id=f"{run_id}/{model}",
            run_id=run_id,
            model=model,
            bundle=f"bundle of {run_id}/{model}",
            device="CPU",
            num_parameters=10,
            best_epoch=2,
            training_seconds=1.5,
            epochs=(Epoch(1, 0.7, 0.5, 0.6, 0.6, 0.001, 1.0), Epoch(2, 0.5, 0.7, 0.4, 0.8, 0.001, 0.5)),
            validation=evaluation("validation"),
            test=evaluation("test"),
        )
        candidate = dataclasses.replace(usual, **changes)
        self.store.record_candidate(candidate)
        return candidate

    def decide(
        self,
        *decisions: Decision,
        run_id: str | None = None,
        line: str = "imdb",
        test_id: str = "t1",
        dry_run: bool = False,
        position: int = 0,
    ) -> None:
        """Record decisions of one run: the run of the first candidate, unless another one is named."""
        run_id = run_id or decisions[0].candidate_id.split("/")[0]
        self.store.record_decisions(
            run_id, decisions, line=line, test_id=test_id, dry_run=dry_run, champion_position=position
        )

    def promote(
        self, *, line: str = "imdb", position: int = 0, with_comparison: bool = False, **changes: Any
    ) -> Candidate:
        """Record a candidate that follows the champion at `position`."""
        candidate = self.candidate()
        champion = self.reader.champion(line)
        made = comparison(champion.candidate_id, position - 1) if champion and with_comparison else None
        decision = Decision(candidate.id, True, "better", (PASSED,), made)
        self.decide(dataclasses.replace(decision, **changes), line=line, position=position)
        return candidate

    def roll_back(self, candidate_id: str, *, position: int, dry_run: bool = False, promote: bool = True) -> str:
        """Record that a run of the other flow puts a candidate back, and return the run's id."""
        run_id = self.start_run(flow="rollback", seed=None, options={}, dry_run=dry_run)
        decision = Decision(candidate_id, promote, "complaints", (PASSED,), succession="rollback")
        self.decide(decision, run_id=run_id, position=position, dry_run=dry_run)
        return run_id

    def observe(self, *results: CheckResult, line: str = "imdb", **changes: Any) -> str:
        """Record that a run of the monitor has watched the champion, and return the run's id."""
        champion = self.reader.champion(line)
        assert champion is not None
        run_id = self.start_run("-", flow="monitor", seed=None, options={"source": "today"})
        usual = Observation(
            *(line, champion.position, champion.candidate_id, 300, 200),
            *(0.9, 0.85, 0.94, 0.95, 0.91, 0.52, 0.5),
            *("healthy", "it holds"),
        )
        self.store.record_observation(run_id, dataclasses.replace(usual, **changes), results)
        return run_id

    def query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run one statement in a plain connection, as any other program may."""
        engine = create_engine(self.url, poolclass=NullPool)
        with engine.begin() as connection:
            found = connection.exec_driver_sql(sql if engine.name == "sqlite" else sql.replace("?", "%s"), values)
            return [tuple(row) for row in found] if found.returns_rows else []

    def count(self, table: str) -> int:
        number = self.query(f"SELECT count(*) FROM {table}")[0][0]
        assert isinstance(number, int)
        return number


@dataclasses.dataclass(frozen=True)
class FileBench(Bench):
    """A store in a SQLite file."""

    @property
    def file(self) -> Path:
        return Path(self.url.removeprefix("sqlite:///"))


class Databases(Protocol):
    """Where new databases come from, and go to."""

    def new_url(self) -> str: ...

    def drop(self, url: str) -> None: ...


@dataclasses.dataclass(frozen=True)
class Files:
    """SQLite files."""

    folder: Path
    _numbers: Iterator[int] = dataclasses.field(default_factory=itertools.count)

    def new_url(self) -> str:
        return f"sqlite:///{self.folder}/{next(self._numbers)}.db"

    def drop(self, url: str) -> None:
        Path(url.removeprefix("sqlite:///")).unlink()


def publish_for(settings: Settings, bench: Bench, run_id: str | None = None, model: str = "baseline_avgpool") -> Path:
    """Publish a bundle and record a candidate whose bundle it is; its run has ended unless it is named."""
    of = run_id or bench.start_run()
    with staging(settings.bundles) as folder:
        (folder / "model.keras").write_bytes(b"w" * 1000)
        made = publish(folder, {"run_id": of, "model": model})
    bench.candidate(of, model, bundle=made.name)
    if run_id is None:
        bench.store.finish_run(of, "completed", "nothing promoted", 1.0)
    return made


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("stores"))


@pytest.fixture(scope="session", params=["files", "postgresql"], ids=["SQLite", "PostgreSQL"])
def databases(request: pytest.FixtureRequest) -> Databases:
    """Databases of either kind: what uses them is tested on both."""
    found: Databases = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session")
def make_bench(databases: Databases) -> MakeBench:
    """New stores, for fixtures that outlive a test."""
    return lambda: Bench(MetricsStore(databases.new_url()))


@pytest.fixture
def bench(databases: Databases) -> Iterator[Bench]:
    url = databases.new_url()
    yield Bench(MetricsStore(url))
    databases.drop(url)


@pytest.fixture
def file_bench(files: Files) -> FileBench:
    """A store in a SQLite file, for what only a file can suffer."""
    return FileBench(MetricsStore(files.new_url()))


@pytest.fixture
def server_bench(postgresql: PostgreSQL) -> Iterator[Bench]:
    """A store on a PostgreSQL server, for what only a server can do."""
    url = postgresql.new_url()
    yield Bench(MetricsStore(url))
    postgresql.drop(url)


@pytest.fixture
def settings(bench: Bench, tmp_path: Path) -> Settings:
    """A home with that store."""
    settings = Settings(tmp_path / "home", bench.url)
    settings.prepare()
    return settings


@pytest.fixture(scope="module")
def spawn() -> Iterator[Spawn]:
    """Start `python -c code arguments...`; what is still running at the end is killed."""
    children: list[subprocess.Popen[str]] = []

    def start(code: str, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", code, *arguments]
        child = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        children.append(child)
        return child

    yield start
    for child in children:
        if child.poll() is None:
            child.kill()
        child.communicate()


@pytest.fixture
def make_rows() -> MakeRows:
    """Rows of a split from lists of word ranks; labels alternate."""

    def make(lists: Sequence[Sequence[int]], labels: Sequence[int] | None = None, split: str = "test") -> Rows:
        tokens = Sequences.from_lists(lists)
        chosen = [index % 2 for index in range(len(lists))] if labels is None else labels
        return Rows(row_ids(split, tokens), np.array(chosen, dtype=np.uint8), tokens)

    return make


@pytest.fixture
def flip() -> Callable[[Path, int], None]:
    """Change one bit of a file."""

    def flip_bit(path: Path, position: int) -> None:
        content = bytearray(path.read_bytes())
        content[position] ^= 1
        path.write_bytes(content)

    return flip_bit
