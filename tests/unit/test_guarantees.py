"""What each file system guarantees, and what is refused with which hint."""

from __future__ import annotations

import pytest

from bgmrec.errors import EXIT_SETTINGS, SettingsError
from bgmrec.storage.guarantees import (
    CONDITIONAL_CREATE,
    Creating,
    Replacing,
    guarantees_of,
    require_creating,
    require_replacing,
)

PATH = "there/work"


@pytest.mark.parametrize(
    ("scheme", "capabilities", "replacing", "creating"),
    [
        ("file", [], Replacing.LOCAL, Creating.LINK),
        ("hdfs", [], Replacing.RENAME, Creating.RENAME),
        ("s3a", [], Replacing.WHOLE, Creating.NONE),
        ("s3a", [CONDITIONAL_CREATE], Replacing.WHOLE, Creating.CONDITIONAL),
        ("gs", [], Replacing.WHOLE, Creating.NONE),
        ("abfss", [CONDITIONAL_CREATE], Replacing.NONE, Creating.NONE),
        ("webhdfs", [], Replacing.NONE, Creating.NONE),
        ("viewfs", [], Replacing.NONE, Creating.NONE),
    ],
)
def test_what_a_scheme_guarantees(
    scheme: str, capabilities: list[str], replacing: Replacing, creating: Creating
) -> None:
    guarantees = guarantees_of(scheme, None, capabilities.__contains__)
    assert (guarantees.scheme, guarantees.replacing, guarantees.creating) == (scheme, replacing, creating)


def test_only_hdfs_deletes_a_folder_at_once() -> None:
    schemes = ["file", "hdfs", "s3a", "gs", "abfs"]
    assert [guarantees_of(s, None, lambda _: True).deletes_folders_at_once for s in schemes] == [
        scheme == "hdfs" for scheme in schemes
    ]


def test_the_session_may_state_what_a_file_system_is_like() -> None:
    guarantees = guarantees_of("jfs", "hdfs", lambda _: False)
    assert require_replacing(guarantees, PATH) is Replacing.RENAME
    assert require_creating(guarantees, PATH) is Creating.RENAME
    assert guarantees.scheme == "jfs"


def test_an_unknown_statement_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"bgmrec\.guarantees\.jfs") as caught:
        guarantees_of("jfs", "nfs", lambda _: False)
    assert caught.value.found == "nfs"


def test_a_lock_that_cannot_be_kept_names_the_two_ways_out() -> None:
    with pytest.raises(SettingsError) as caught:
        require_creating(guarantees_of("s3a", None, lambda _: False), PATH)
    assert caught.value.exit_status == EXIT_SETTINGS and caught.value.where == PATH
    assert all(f'runtime.lock = "{choice}"' in caught.value.hint for choice in ("postgres", "none"))


def test_an_unknown_file_system_names_the_key_that_states_it() -> None:
    with pytest.raises(SettingsError) as caught:
        require_replacing(guarantees_of("abfss", None, lambda _: False), PATH)
    assert "spark.hadoop.bgmrec.guarantees.abfss" in caught.value.hint and caught.value.found == "abfss://"
