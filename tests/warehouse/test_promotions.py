"""A client of Spark's Thrift server polls while another process publishes into the same Hive metastore."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.e2e.nights import PROJECT
from tests.warehouse.metastore import metastore, rows, thrift_server
from tests.warehouse.publisher import NEWER
from tests.warehouse.versions import polling, run_id

VERSIONS = 6
USERS = 40  # version n has n users more


def whole(version: int) -> list[tuple[str, str, int, int, int]]:
    """What a query may return: one run, with all its rows and users."""
    users = USERS + version
    return [(run_id(version, NEWER), run_id(version, NEWER), 2 * users, users, 2)]


def publish(folder: Path, uris: str, *versions: int) -> None:
    command = [sys.executable, "-m", "tests.warehouse.publisher", str(folder), "--metastore", uris]
    command += [f"{run_id(version, NEWER)}={USERS + version}" for version in versions]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-4000:]


def test_a_client_that_polls_sees_whole_versions_only(tmp_path: Path) -> None:
    facts = "min(run_id), max(run_id), count(*), count(DISTINCT user_id), max(position)"
    in_view = f"SELECT {facts} FROM bgmrec.recommendations_current"
    by_date = f"SELECT {facts} FROM bgmrec.recommendations WHERE ds = '{NEWER}'"
    with metastore(tmp_path) as uris:
        publish(tmp_path, uris, 1)
        with thrift_server(tmp_path, {"hive.metastore.uris": uris}) as cursor:
            with polling(lambda: [rows(cursor, query) for query in (in_view, by_date)]) as seen:
                publish(tmp_path, uris, *range(2, VERSIONS + 1))
            assert rows(cursor, in_view) == rows(cursor, by_date) == whole(VERSIONS)
    allowed = [whole(version) for version in range(1, VERSIONS + 1)]
    assert all(answer in allowed for poll in seen for answer in poll)
    newest = [allowed.index(answer) for poll in seen for answer in poll]
    assert newest == sorted(newest), "an older version came back"
    assert len(set(newest)) > 2 and len(seen) > VERSIONS
