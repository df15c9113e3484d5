"""Measures bgmrec beside its peers: the same machine, data, cores and Spark session, in one run.

    benchmark.py als --rank 64 --users 200000 --items 40000 --ratings 20000000
    benchmark.py als --implicit --rank 64
    benchmark.py topn --peer implicit
    benchmark.py scale --ratings 1e6,1e7,1e8
    benchmark.py nightly --config conf/base.toml --config conf/demo.toml --ratings 1e7 --users 2e5 --items 2e4

| sub-command | ours | against |
|---|---|---|
| als | one iteration | Spark MLlib's ALS, with --implicit the library implicit on all cores |
| blocks | rating rows to blocks of both sides | one MLlib fit with one iteration |
| topn | all users' best n, seen filter on | MLlib's recommendForAllUsers, or implicit's recommend |
| kernel | FLOP rate of the solver on one thread | sgemm in the same process |
| encode | an epoch fed by petastorm | the same loop over tensors in memory; two processes against one |
| bayes | a sampled half step of both sides | a MAP round |
| scale | an iteration over the most ratings | the size before it, per rating |
| skew | one user with 1 %, one item with 10 % of the ratings | as many even ratings |
| cost | seconds of an iteration that the model was not fitted to | what the fitted cost model says |
| nightly | the longest stage besides train and recommend | 15 % of the night |
| warm | nights in a row, each with the model of the one before | the same nights without one |

Ratings are generated (power law, a planted low rank). Times are medians; the least, the most and the peak memory of
driver and workers stand in the JSON object that is the last line. `ratio` is the peer's time divided by ours.
The peer implicit is not among bgmrec's own packages: pip install '.[bench]'.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bgmrec.bench.benchmark import add_arguments, checked, run_benchmark
from bgmrec.runtime.command import arg_parser, run_command


def main(argv: Sequence[str] | None = None) -> int:
    parser = arg_parser("benchmark", __doc__)
    add_arguments(parser)
    return run_command(parser, run_benchmark, argv, check=checked)


if __name__ == "__main__":
    sys.exit(main())
