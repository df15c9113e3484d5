"""Measures accuracy: runs a protocol for models, training fractions and seeds, and prints one JSON line per result.

    study.py ml-1m-random        --data FOLDER --models deep --fractions 0.8,0.2 --seeds 0
    study.py ml-1m-cold          --data FOLDER --models cold --seeds 0,1,2
    study.py kuairand-music-days --data FOLDER --models deep
    study.py cold                --config my.toml --ds 2025-03-14 --seeds 0,1,2
    study.py paper               --config my.toml --ds 2025-03-14 --json paper.jsonl --report paper.html
    study.py tables              --json bgmrec/study/results.jsonl --table bgmrec/study/README.md

Protocols: ml-1m-random predicts the held-out ratings of MovieLens 1M (fraction 0.9: 90 % train, 10 % test, no valid).
ml-1m-cold predicts ratings of films and users without training ratings, and ranks the cold films. kuairand-music-days
ranks background music of KuaiRand-Pure for the last four days, trained on all days before. random, cold and days do
the same with the ratings of your settings up to --ds; [study] holds shares and days. paper runs the experiments of
the paper's last section, with the numbers in [study.paper]; --report writes them as an HTML page with figures.

A model is a settings file conf/<data set>/<model>.toml, read after conf/base.toml and conf/<data set>.toml. If
<model>-<percent>.toml exists beside it, it is read after it at that training fraction. A path ending in .toml is a
model, too. random, cold and days without --models measure the settings of --config. The settings in conf/ were chosen
on valid of seed 0; --part valid evaluates on valid.

--side-information permuted gives every user and item the fields of another one, as a control: a gain from them is no
gain from the information. none removes them. real,permuted,none measures all three.

--leak lets the user encoder read held-out ratings, as the published code of PHD does. Each result says whether it did.

--json appends results to a file; the same command resumes after an interruption and skips results in the file. At the
end a table shows mean and standard deviation over seeds, and results of other methods. --table rewrites the blocks
<!-- results: PROTOCOL key=value … --> … <!-- end of results --> of a Markdown file from the results in --json; the
protocol tables does only that.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from bgmrec.runtime.command import arg_parser, run_command
from bgmrec.runtime.provenance import command_line
from bgmrec.study.command import add_arguments, check_arguments
from bgmrec.study.runner import study


def main(argv: Sequence[str] | None = None) -> int:
    parser = arg_parser("study", __doc__)
    add_arguments(parser)
    parser.set_defaults(conf=Path(__file__).parents[1] / "conf", command=command_line("study", argv))
    return run_command(parser, study, argv, check=check_arguments)


if __name__ == "__main__":
    sys.exit(main())
