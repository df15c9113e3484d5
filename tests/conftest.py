"""The one small Spark session that the Spark tests share, and an environment in which nothing takes every core."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.quick_spark import JAVA_OPTIONS, QUICK

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROOT = Path(__file__).resolve().parent.parent

# before numpy, numba or Torch is imported; build_session hands the same to Spark's workers
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ["PYSPARK_PYTHON"] = sys.executable
# Spark's workers import the test modules whose functions they run
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))


# what fails because Torch is missing is skipped: for some Pythons there may be no build without CUDA
_WITHOUT_TORCH = importlib.util.find_spec("torch") is None


def _skipped_without_torch(report: Any, where: Path) -> Any:
    if _WITHOUT_TORCH and report.failed and "No module named 'torch'" in str(report.longrepr):
        report.outcome, report.longrepr = "skipped", (str(where), 0, "Skipped: Torch is not installed")
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Any:
    """A test file that imports Torch."""
    return _skipped_without_torch((yield), collector.path)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """A test that imports Torch while it runs, in this process or in a worker of Spark."""
    return _skipped_without_torch((yield), item.path)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--daily-share",
        type=int,
        default=1,
        metavar="N",
        help="run one Nth of the files (of the tests, where there are fewer files), another one each day, and what is "
        "marked every_day",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keeps today's share: what takes too long for every run of CI is still run every N days."""
    share = config.getoption("--daily-share")
    if share == 1:
        return
    files = {str(item.path) for item in items}
    by_file = len(files) >= share
    units = sorted(files if by_file else {item.nodeid for item in items})
    today = datetime.now(UTC).toordinal()
    chosen = {unit for number, unit in enumerate(units) if number % share == today % share}
    kept = [
        item
        for item in items
        if (str(item.path) if by_file else item.nodeid) in chosen or item.get_closest_marker("every_day")
    ]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """A local session with 2 cores and 4 shuffle partitions; its warehouse and metastore vanish with the tests."""
    from bgmrec.config.runtime import SparkSettings
    from bgmrec.runtime.session import build_session

    folder = tmp_path_factory.mktemp("spark")
    extra = {
        **QUICK,
        "spark.python.daemon.module": "tests.quick_daemon",
        "spark.local.dir": str(folder / "local"),
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.driver.extraJavaOptions": f"{JAVA_OPTIONS} -Dderby.system.home={folder / 'derby'}",
        "spark.hadoop.javax.jdo.option.ConnectionURL": f"jdbc:derby:;databaseName={folder / 'metastore'};create=true",
    }
    # a second try for every task: Spark may reuse a Python worker whose socket the failure of another test has closed
    session = build_session(SparkSettings(master="local[2,2]", shuffle_partitions=4), extra, hive=True)
    yield session
    session.stop()
