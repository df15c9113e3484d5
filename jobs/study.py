"""Runs a protocol of the field for models, training fractions and seeds, and prints one JSON line per result.

    study.py ml-1m-random        --data FOLDER --models deep --fractions 0.8,0.2 --seeds 0
    study.py ml-1m-cold          --data FOLDER --models cold --seeds 0,1,2
    study.py kuairand-music-days --data FOLDER --models deep
    study.py cold                --config my.toml --ds 2025-03-14 --seeds 0,1,2
    study.py paper               --config my.toml --ds 2025-03-14 --json paper.jsonl --report paper.html

ml-1m-random is rating prediction on MovieLens 1M with random training fractions (a fraction of 0.9 is the 90/10
split without valid); ml-1m-cold predicts the ratings of cold films and of cold users, and ranks the cold films;
kuairand-music-days ranks background music of KuaiRand-Pure for the last four days, by a model trained on all days
before. random, cold and days are the same on the ratings that [ratings] names, cut by [study], up to --ds.

paper is the programme of the paper's last section on any explicit ratings: PMF, biased PMF, the autoencoder alone, the
network alone, both, and both sampled, against the training fraction and on what is cold; then dimension and
regularisation of both. [study.paper] says how far it goes, --report writes it as one HTML page with its figures.

A model is a settings file conf/<data set>/<model>.toml over conf/base.toml and conf/<data set>.toml;
<model>-<percent>.toml beside it, where there is one, holds what differs at that fraction. A path ending in .toml is a
model too, and without --models, random, cold and days take the settings as --config says them. Hyper-parameters were
chosen on valid of seed 0; --part valid shows that figure.

--side-information permuted gives every user and item the side information of another one: what a model gains from it
then, it does not gain from the information. --side-information real,permuted,none measures all three in one run.

--leak lets the user encoder read all ratings, the held-out ones too, as the published code of PHD does: what a model
gains from it is no accuracy. Only a study can leak, and each result says whether it did.

With --json results accumulate in a file, and a study that was interrupted goes on after the last one in it. At the
end a table shows means and standard deviations over seeds, and what is known of other methods.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from bgmrec.runtime.command import arg_parser, run_command
from bgmrec.study.command import add_arguments, checked
from bgmrec.study.study import study


def main(argv: Sequence[str] | None = None) -> int:
    parser = arg_parser("study", __doc__)
    add_arguments(parser)
    parser.set_defaults(conf=Path(__file__).parents[1] / "conf")
    return run_command(parser, study, argv, check=checked)


if __name__ == "__main__":
    sys.exit(main())
