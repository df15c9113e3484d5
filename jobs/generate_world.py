"""Generates a world of background music: raw logs and crawl dumps, as an application writes them.

Under --out:

  events/ds=YYYY-MM-DD/      JSON lines: user_id, video_id, event, rating, play_ms, duration_ms, liked, time
  videos/                    CSV: video_id, music_id ("0" or empty where the music is unknown)
  crawl/users/date=…/        JSON lines of that day's crawls; a user may be crawled on several days
  crawl/items/date=…/        the same for music, with title, artist, genre, mood, tempo and description
  truth/users, truth/items   Parquet: taste, character and bias that the ratings were computed from
  world.json                 settings of the world; then _SUCCESS

Ratings and plays depend on user, item and chance. Popularity has a long tail, the popularity of genres changes over
the days, users and items arrive every day, and a share of the rows is dirty. The same seed and sizes give the same
rows, whatever the number of partitions.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bgmrec.runtime.command import arg_parser, run_command
from bgmrec.stages.generate_world import add_arguments, run_generator


def main(argv: Sequence[str] | None = None) -> int:
    parser = arg_parser("generate_world", __doc__)
    add_arguments(parser)
    return run_command(parser, run_generator, argv)


if __name__ == "__main__":
    sys.exit(main())
