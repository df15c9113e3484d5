"""One training process: joins the process group, fits, and tells its errors and epochs to the driver."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from types import TracebackType
from typing import Any

from torch import cuda, distributed

from bgmrec import errors
from bgmrec.encoders.fit import EpochLoss, Feed, FitNumbers, fit
from bgmrec.encoders.state import EncoderState

# lines by which a worker's output, the only way back while it runs or after it failed, reaches the driver
EPOCH_MARK = "bgmrec-epoch "
ERROR_MARK = "bgmrec-error "
_LONGEST = 3000  # characters of an error's text: a longer line could be torn where processes write to one pipe


def train(
    content: bytes,
    open_feed: Callable[[int, int], Feed],
    numbers: FitNumbers,
    rows_written: int,
    seed: int,
    use_gpu: bool,
) -> tuple[bytes, list[dict[str, Any]]]:
    """Runs in every process that TorchDistributor starts; rank 0's result is the fitted state and the losses."""
    sys.excepthook = _report
    if use_gpu:
        if not cuda.is_available():
            raise errors.SettingsError(
                "Spark gave a training process a GPU, and Torch finds none",
                where="feed.use_gpu",
                hint="install Torch's CUDA build there, or set feed.use_gpu to false",
            )
        cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("nccl" if use_gpu else "gloo")
    state, losses = fit(
        EncoderState.from_bytes(content),
        open_feed,
        numbers,
        rows_written=rows_written,
        seed=seed,
        rank=distributed.get_rank(),
        world=distributed.get_world_size(),
        device="cuda" if use_gpu else "cpu",
        on_epoch=_tell,
    )
    distributed.destroy_process_group()
    if os.environ["LOCAL_RANK"] != "0":
        sys.exit(0)  # TorchDistributor's processes beside the driver all write one result file: only one may
    return state.to_bytes(), [asdict(loss) for loss in losses]


def _tell(loss: EpochLoss) -> None:
    print(EPOCH_MARK + json.dumps(asdict(loss)), flush=True)


def _report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """The exception hook: the usual traceback, and one line that the driver can make an error of again."""
    sys.__excepthook__(kind, error, trace)
    fields = {"kind": kind.__name__, "rank": int(os.environ.get("RANK", 0)), "message": str(error)[:_LONGEST]}
    if isinstance(error, errors.BgmrecError):
        known = {name: getattr(error, name) for name in ("message", "where", "expected", "found", "hint")}
        fields |= {name: text[: _LONGEST // 5] for name, text in known.items()}
    sys.stderr.write(f"\n{ERROR_MARK}{json.dumps(fields)}\n")
    sys.stderr.flush()


def error_of(output: str) -> errors.BgmrecError:
    """The error that a failed worker told in its output.

    Where several did, an error that bgmrec raised on purpose comes before others: those are mostly the broken
    connections of the processes that lost a peer.
    """
    marked = [line.split(ERROR_MARK, 1)[1] for line in output.splitlines() if ERROR_MARK in line]
    told = [fields for text in marked if (fields := _parsed(text))]
    ours = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type)}
    for fields in told:
        if fields["kind"] in ours and issubclass(ours[fields["kind"]], errors.BgmrecError):
            details = {name: fields[name] for name in ("where", "expected", "found", "hint")}
            return ours[fields["kind"]](fields["message"], **details)
    if told:
        first = told[0]
        found = f"{first['kind']}: {first['message']}"
        return errors.TrainingError("a training process failed", where=f"process {first['rank']}", found=found)
    tail = "\n".join(output.splitlines()[-30:])
    return errors.TrainingError("a training process died without a word", found=tail, hint="look for its memory limit")


def _parsed(text: str) -> dict[str, Any] | None:
    # Spark may quote the output inside its own message, so that something can follow the object
    try:
        return json.JSONDecoder().raw_decode(text)[0]
    except ValueError:
        return None
