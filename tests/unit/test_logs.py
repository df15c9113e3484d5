"""Progress is one live line on a terminal, and throttled plain or JSON lines otherwise."""

import io
import json

from bgmrec.runtime.logs import Progress, configure_logging, logger


def test_json_lines_carry_the_facts() -> None:
    stream = io.StringIO()
    configure_logging("json", stream)
    Progress(stream).done("train", round=3, objective=12.5)
    entry = json.loads(stream.getvalue())
    assert (entry["stage"], entry["round"], entry["objective"], entry["level"]) == ("train", 3, 12.5, "info")


def test_plain_updates_are_throttled_and_done_always_logs() -> None:
    stream = io.StringIO()
    configure_logging("text", stream)
    progress = Progress(stream)
    for epoch in range(50):
        progress.update("fit", epoch=epoch)
    progress.done("fit", epochs=50)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[-1].endswith("fit: epochs 50")


def test_live_updates_overwrite_one_line() -> None:
    stream = io.StringIO()
    progress = Progress(stream, live=True)
    progress.update("fit", rows=12_000, loss=0.123456)
    progress.update("fit", rows=24_000, loss=0.1)
    assert stream.getvalue().split("\r\x1b[2K")[1:] == ["fit: rows 12,000, loss 0.12346", "fit: rows 24,000, loss 0.1"]
    assert "\n" not in stream.getvalue()


def test_a_traceback_is_part_of_the_json_entry() -> None:
    stream = io.StringIO()
    configure_logging("json", stream)
    try:
        raise ValueError("odd")
    except ValueError as error:
        logger.error("unexpected", exc_info=error)
    assert "ValueError: odd" in json.loads(stream.getvalue())["traceback"]
