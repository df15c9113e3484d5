"""One training process: joins the process group, fits, and reports epochs and errors to the driver."""

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

# a process can reach the driver only through its output, while it runs and after it failed: these mark such lines
EPOCH_MARK = "bgmrec-epoch "
ERROR_MARK = "bgmrec-error "
_LONGEST = 3000  # characters of an error's text: processes share one pipe, in which longer lines could be split


def train(
    content: bytes,
    open_feed: Callable[[int, int], Feed],
    numbers: FitNumbers,
    rows_written: int,
    seed: int,
    use_gpu: bool,
) -> tuple[bytes, list[dict[str, Any]]]:
    """The function that TorchDistributor runs in every process.

    Args:
        content: the state to start from, from `EncoderState.to_bytes`.
        open_feed: (rank, number of shards) → the rows of this process.
        numbers: hyper-parameters.
        rows_written: rows of the feed table.
        seed: seed of corruption and dropout.
        use_gpu: whether this process uses a GPU.

    Returns:
        On rank 0: (the fitted state as bytes, the loss of each epoch as a dict).

    Raises:
        SettingsError: the process should use a GPU, and Torch finds none.
    """
    sys.excepthook = _report_error
    if use_gpu:
        if not cuda.is_available():
            raise errors.SettingsError(
                "Spark assigned a GPU to a training process, but Torch finds none",
                where="feed.use_gpu",
                expected="a CUDA device",
                found="torch.cuda.is_available() is False",
                hint="install Torch's CUDA build on that machine, or set feed.use_gpu to false",
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
        on_epoch=_report_epoch,
    )
    distributed.destroy_process_group()
    if os.environ["LOCAL_RANK"] != "0":
        sys.exit(0)  # all local processes of TorchDistributor write the same result file: only one of them may
    return state.to_bytes(), [asdict(loss) for loss in losses]


def _report_epoch(loss: EpochLoss) -> None:
    sys.stdout.write(f"{EPOCH_MARK}{json.dumps(asdict(loss))}\n")
    sys.stdout.flush()


def _report_error(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """The exception hook: prints the usual traceback, and one line from which the driver rebuilds the error."""
    sys.__excepthook__(kind, error, trace)
    fields = {"kind": kind.__name__, "rank": int(os.environ.get("RANK", 0)), "message": str(error)[:_LONGEST]}
    if isinstance(error, errors.BgmrecError):
        texts = {name: getattr(error, name) for name in ("message", "where", "expected", "found", "hint")}
        fields |= {name: text[: _LONGEST // 5] for name, text in texts.items()}
    sys.stderr.write(f"\n{ERROR_MARK}{json.dumps(fields)}\n")
    sys.stderr.flush()


def error_from_output(output: str) -> errors.BgmrecError:
    """The error of a failed process, rebuilt from the output of all processes.

    If several failed, an error of bgmrec comes first: the others are mostly broken connections to the process that
    failed first.

    Args:
        output: the last lines of all processes.
    """
    marked = [line.split(ERROR_MARK, 1)[1] for line in output.splitlines() if ERROR_MARK in line]
    reports = [fields for text in marked if (fields := _parsed(text))]
    classes = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type)}
    for fields in reports:
        if fields["kind"] in classes and issubclass(classes[fields["kind"]], errors.BgmrecError):
            details = {name: fields[name] for name in ("where", "expected", "found", "hint")}
            return classes[fields["kind"]](fields["message"], **details)
    if reports:
        first = reports[0]
        found = f"{first['kind']}: {first['message']}"
        return errors.TrainingError(
            "a training process failed",
            where=f"process {first['rank']}",
            found=found,
            hint="set feed.processes = 0: the driver then runs the fit itself and shows the traceback",
        )
    return errors.TrainingError(
        "a training process exited without an error message; it was probably killed for memory",
        where="feed.processes",
        expected="an epoch's loss or an error in the output of every process",
        found="\n".join(output.splitlines()[-30:]) or "no output",
        hint="look for an out-of-memory kill or a container's limit; lower feed.processes or feed.memory_bytes",
    )


def _parsed(text: str) -> dict[str, Any] | None:
    # Spark may quote the output inside its own message, with further text after the JSON object
    try:
        return json.JSONDecoder().raw_decode(text)[0]
    except ValueError:
        return None
