"""Measures speed against peers: on the same machine, data and cores, in one Spark session.

    benchmark.py als --rank 64 --users 200000 --items 40000 --ratings 20000000
    benchmark.py als --implicit --rank 64
    benchmark.py topn --peer implicit
    benchmark.py scale --ratings 1e6,1e7,1e8
    benchmark.py nightly --config conf/base.toml --config conf/demo.toml --ratings 1e7 --users 2e5 --items 2e4
    benchmark.py tables --json bgmrec/bench/results.jsonl --table bgmrec/bench/README.md

| name | bgmrec | peer |
|---|---|---|
| als | one iteration | Spark MLlib's ALS; with --implicit the library implicit on all cores |
| blocks | rating rows to blocks of both sides | one MLlib fit with one iteration |
| topn | lists of n items for all users, without seen items | MLlib's recommendForAllUsers, or implicit's recommend |
| kernel | FLOP rate of the solver on one thread | sgemm in the same process |
| encode | an epoch fed by petastorm; two processes | the same loop over tensors in memory; one process |
| bayes | a sampled half step of both sides | a round of MAP |
| scale | an iteration over the most ratings | the next smaller number of ratings, per rating |
| skew | one user with 1 %, one item with 10 % of the ratings | as many ratings without them |
| cost | an iteration that the cost model was not fitted to | the cost model's prediction |
| nightly | the longest stage besides train and recommend | 15 % of the run |
| warm | runs that start from the model of the date before | the same runs with full training |

Ratings are generated (power law, low rank). Times are medians; the JSON object on the last line also has minimum,
maximum, versions, and the peak memory of driver and workers. `ratio` is the peer's time divided by bgmrec's. The
library implicit is not installed with bgmrec: pip install '.[bench]'.

--json appends the JSON object to a file. --table rewrites the blocks <!-- results: comparisons --> and
<!-- results: stages --> … <!-- end of results --> of a Markdown file from that file; the name tables does only that.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bgmrec.bench.command import add_arguments, check_arguments, run_benchmark
from bgmrec.runtime.command import arg_parser, run_command
from bgmrec.runtime.provenance import command_line


def main(argv: Sequence[str] | None = None) -> int:
    parser = arg_parser("benchmark", __doc__)
    add_arguments(parser)
    parser.set_defaults(command=command_line("benchmark", argv))
    return run_command(parser, run_benchmark, argv, check=check_arguments)


if __name__ == "__main__":
    sys.exit(main())
