"""Generates a world of background music: raw logs and crawl dumps as an application would leave them.

Under --out:

  events/ds=YYYY-MM-DD/      JSON lines: user_id, video_id, event, rating, play_ms, duration_ms, liked, time
  videos/                    CSV: video_id, music_id ("0" or empty where the music is not known)
  crawl/users/date=…/        JSON lines of the crawls of that day, several of the same user over the days
  crawl/items/date=…/        the same for music, with title, artist, genre, mood, tempo and description
  truth/users, truth/items   Parquet: the taste, character and bias that the ratings were made of
  world.json                 what it was made with; then _SUCCESS

Ratings and plays depend on both sides and on chance; popularity has a long tail, genres go in and out of
fashion, users and music arrive every day, and a share of the rows is dirty in every way. The same seed and
sizes give the same rows, whatever the number of partitions.
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
