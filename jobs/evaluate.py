"""Judges the best round's model and the baselines on the held-out ratings of the night.

Rating errors in explicit mode; top-N lists against held-out targets in both; every metric by slice. All models
go through the same scores, lists and metrics. Prints a table and writes `metrics.json` beside the working tables;
the overall figures go into the run's summary. Without validation ratings there is nothing to judge.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as f
from ranking import FactorModel, described_users, load_items, make_lists, popular_list, popularity_scores
from recommend import shown_items

from bgmrec import columns as c
from bgmrec.evaluate.baselines import Baseline, Sizes, als_baseline, bias_baseline, popularity_baseline
from bgmrec.evaluate.ranking import ranking_metrics
from bgmrec.evaluate.rating import rating_metrics
from bgmrec.evaluate.table import collect_metrics, headline, metrics_table
from bgmrec.factorize.delivery import deliver
from bgmrec.factorize.pairs import score_pairs
from bgmrec.factorize.shape import ModelShape
from bgmrec.job import run_job
from bgmrec.recommend.top_n import ListRules
from bgmrec.run import Run
from bgmrec.session import arrow_batch

MODEL = "bgmrec"


def stage(run: Run) -> None:
    """Writes `metrics.json`."""
    facts = run.work.read_json("judged") or {}
    if not facts.get("valid"):
        run.progress.done("evaluate", skipped="no ratings were held out")
        run.work.write_json("metrics", [])
        return
    judge = Judge(run, run.work.read("ratings_split"), Sizes(*(facts[name] for name in Sizes.__annotations__)))
    judged = FactorModel(
        run.work.read("judged_user_factors"),
        run.work.read("judged_item_factors"),
        ModelShape(**facts["shape"]),
        facts["user_blocks"],
        facts["item_blocks"],
    )
    rows = judge.metrics(MODEL, judged, rates=run.settings.factorize.mode == "explicit")
    for baseline in judge.baselines():
        rows += judge.baseline_metrics(baseline)
    run.work.write_json("metrics", rows)
    for name in dict.fromkeys(row["model"] for row in rows):
        run.summary.add("metrics", **{name: headline(rows, name)})
    print(metrics_table(rows), file=sys.stderr)


class Judge:
    """Scores and lists any factor model on what was held out, always in the same way."""

    def __init__(self, run: Run, ratings: DataFrame, sizes: Sizes):
        self.run, self.sizes = run, sizes
        self.train = ratings.where(f.col(c.PART) == c.TRAIN)
        held_out = ratings.where(f.col(c.PART) == c.VALID)
        relevant = f.col(c.RATING) >= run.settings.evaluate.relevant_rating
        self.targets = held_out.where(relevant).select(c.USER_IDX, c.ITEM_IDX)
        self.shown = shown_items(run, run.work.read("item_index"))
        self.implicit = run.settings.factorize.mode == "implicit"

    def metrics(self, name: str, model: FactorModel, *, rates: bool) -> list[dict]:
        """Ranking metrics, and rating errors where the model's scores are ratings."""
        self.run.progress.update("evaluate", model=name)
        with arrow_batch(self.run.spark, 1):
            rows = collect_metrics(self._ranking(name, model))
            return rows + (collect_metrics(self._rating(name, model)) if rates else [])

    def baseline_metrics(self, baseline: Baseline) -> list[dict]:
        """The same for a baseline, whose tables are written first: they are read several times."""
        place = self.run.scratch("evaluate")
        model = FactorModel(
            place.write(baseline.user_factors, "user_factors"),
            place.write(baseline.item_factors, "item_factors"),
            baseline.shape,
            self.sizes.user_blocks,
            self.sizes.item_blocks,
        )
        return self.metrics(baseline.name, model, rates=not self.implicit and baseline.name != "popularity")

    def baselines(self) -> Iterator[Baseline]:
        """The baselines of [evaluate], one after the other."""
        settings = self.run.settings.evaluate
        makers = {
            "popularity": lambda: popularity_baseline(popularity_scores(self.run, self.train), self.sizes),
            "bias": lambda: bias_baseline(self.train, self.sizes),
            "als": lambda: als_baseline(
                self.train,
                self.sizes,
                rank=settings.als_rank,
                reg=settings.als_reg,
                iterations=settings.als_iterations,
                seed=self.run.settings.seed,
                implicit=self.implicit,
            ),
        }
        for name in settings.baselines:
            with arrow_batch(self.run.spark, 1000):
                yield makers[name]()

    def _ranking(self, name: str, model: FactorModel) -> DataFrame:
        run, settings = self.run, self.run.settings
        rules = ListRules(max(settings.evaluate.ks), settings.recommend.filter_seen)
        lists = make_lists(
            run,
            model,
            load_items(run, model, self.shown),
            run.scratch("train").read("user_rating_blocks"),
            described_users(run, run.work.read("user_index")),
            rules,
            popular_list(run, self.train, self.shown, rules),
        )
        # written once: the metrics read them several times
        lists = run.scratch("evaluate").write(lists, "top_n")
        return ranking_metrics(
            lists,
            self.targets,
            self.shown,
            self.train,
            model=name,
            ks=settings.evaluate.ks,
            popularity_slices=settings.evaluate.popularity_slices,
        )

    def _rating(self, name: str, model: FactorModel) -> DataFrame:
        settings = self.run.settings
        bound = settings.factorize.broadcast_bytes
        scored = score_pairs(
            self.run.scratch("train").read("valid_rating_blocks"),
            deliver(model.item_factors, model.item_blocks, model.shape, broadcast_bytes=bound),
            model.user_factors,
            model.shape,
            dst_num_blocks=model.user_blocks,
            broadcast_bytes=bound,
        )
        named = scored.withColumnsRenamed({"dst_idx": c.USER_IDX, "src_idx": c.ITEM_IDX})
        return rating_metrics(
            named,
            self.train,
            model=name,
            popularity_slices=settings.evaluate.popularity_slices,
            clip=settings.evaluate.clip,
        )


def main(argv: Sequence[str] | None = None) -> int:
    return run_job("evaluate", __doc__, stage, argv)


if __name__ == "__main__":
    sys.exit(main())
