"""A lock in files: what every lock must do, and who takes one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from bgmrec.errors import EXIT_BUSY
from bgmrec.run.lock import locked
from bgmrec.run.lock_documents import FileDocuments, LockDocuments
from bgmrec.stages import job
from bgmrec.storage.tables import Tables
from jobs import study, tune
from tests.conformance.locks import SOON, LockTests

PROJECT = Path(__file__).resolve().parents[2]
DS = "2025-03-14"


class TestFiles(LockTests):
    """Files below a folder."""

    @pytest.fixture
    def lock_of(self, spark: SparkSession, tmp_path: Path) -> Callable[[str], LockDocuments]:
        return lambda name: FileDocuments(Tables(spark, str(tmp_path / name)))

    def test_only_the_newest_document_is_kept(self, documents: LockDocuments, tmp_path: Path) -> None:
        for _ in range(3):
            with locked(documents, **SOON):
                pass
        assert [path.name for path in (tmp_path / "one").glob("[0-9]*.json")] == ["000003.json"]


def test_searches_and_studies_hold_the_lock_too(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(job, "start_session", lambda settings: spark)
    (tmp_path / "space.toml").write_text(
        '[tune]\nspace = [{ key = "factorize.rank", kind = "int", low = 2, high = 4 }]\n'
    )
    config = ["--config", str(PROJECT / "conf/base.toml"), "--config", str(tmp_path / "space.toml"), "--ds", DS]
    for_tune = [*config, "--set", f"paths.root={tmp_path}", "--trials", "1", "--out", str(tmp_path / "best.toml")]
    for_study = ["random", *config, "--root", str(tmp_path)]
    for main, arguments, root in ((tune.main, for_tune, tmp_path), (study.main, for_study, tmp_path / "random")):
        with locked(FileDocuments(Tables(spark, f"{root}/work/_locks/ds={DS}"))):
            assert main(arguments) == EXIT_BUSY
        assert "another run is at work" in capsys.readouterr().err
