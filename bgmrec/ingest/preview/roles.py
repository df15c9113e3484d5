"""Which column of a rating log is the user, the item, the rating, the weight and the time."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bgmrec.errors import InputError
from bgmrec.ingest.preview.columns import RawColumn

# in order of preference; compared without case, spaces and signs
NAMES: Mapping[str, tuple[str, ...]] = {
    "user": (
        *("userid", "user", "uid", "username", "customerid", "customer", "memberid", "member", "accountid", "account"),
        *("listenerid", "listener", "viewerid", "用户id", "用户", "会员"),
    ),
    "item": (
        *(
            "itemid",
            "item",
            "trackid",
            "track",
            "musicid",
            "music",
            "songid",
            "song",
            "bgmid",
            "iid",
            "movieid",
            "movie",
        ),
        *("videoid", "video", "productid", "product", "artistid", "artist", "音乐id", "歌曲id", "音乐", "歌曲", "曲目"),
    ),
    "time": (
        *("ratedat", "playedat", "timestamp", "datetime", "time", "date", "ts", "eventtime", "createdat", "at", "day"),
        *("lastplayed", "时间", "日期"),
    ),
    "rating": ("rating", "ratings", "score", "stars", "star", "rate", "grade", "评分", "打分"),
    "like": ("liked", "like", "favorite", "favourite", "isliked", "islike", "喜欢", "点赞"),
    "weight": (
        *("plays", "playcount", "playcounts", "listens", "listencount", "count", "times", "uses", "clicks", "freq"),
        *("播放次数", "次数", "播放量"),
    ),
}
MAX_SCALE = 20  # steps of a rating scale; more different values are counts


@dataclass(frozen=True)
class Choice:
    """A column for a role, and why.

    Args:
        column: the column.
        reason: for the comment.
        certain: whether the user named it.
    """

    column: RawColumn
    reason: str
    certain: bool = False


def plain(name: str) -> str:
    """A name without case, spaces and signs.

    Args:
        name: of a column.
    """
    return re.sub(r"[^a-z0-9\u4e00-\u9fff]", "", name.lower())


def by_option(columns: Sequence[RawColumn], name: str, option: str, where: str) -> Choice:
    """The column that an option names.

    Args:
        columns: of the file.
        name: what the user named.
        option: on the command line.
        where: the file, for the error.

    Raises:
        InputError: there is none.
    """
    for column in columns:
        if column.name == name:
            return Choice(column, f"given by {option}", certain=True)
    raise InputError(
        f"{option} names no column",
        where=where,
        expected=f"one of {_names(columns)}",
        found=name,
        hint="check the name",
    )


def by_name(columns: Iterable[RawColumn], role: str) -> Choice | None:
    """The column whose name is one of the role's, or holds one of its longer ones.

    Args:
        columns: to choose from.
        role: key of `NAMES`.
    """
    named = {plain(column.name): column for column in columns if column.kind != "empty"}
    for word in NAMES[role]:
        if word in named:
            return Choice(named[word], "by its name")
    for word in NAMES[role]:
        holding = [column for name, column in named.items() if len(word) > 3 and word in name]
        if holding:
            return Choice(holding[0], "by its name")
    return None


def needed(columns: Sequence[RawColumn], role: str, option: str, where: str) -> InputError:
    """The error for a role that no column could be chosen for.

    Args:
        columns: of the file.
        role: key of `NAMES`.
        option: that names such a column.
        where: the file.
    """
    return InputError(
        f"the column of the {role} could not be found",
        where=where,
        expected=f"a column called {', '.join(NAMES[role][:4])} or the like",
        found=f"the columns {_names(columns)}",
        hint=f"name it with {option} COLUMN",
    )


def choose_ids(
    columns: Sequence[RawColumn],
    options: Mapping[str, str | None],
    catalogue_ids: Mapping[str, set[str]],
    where: str,
) -> tuple[Choice, Choice]:
    """The columns of the user and the item.

    By option, by name, by the ids of the catalogues, or as the only column that remains.

    Args:
        columns: of the log.
        options: role → column that the user named, or None.
        catalogue_ids: role → ids of the catalogue of that side; empty where there is none.
        where: the file, for the errors.

    Raises:
        InputError: a column cannot be found.
    """
    chosen: dict[str, Choice] = {}
    choice: Choice | None
    for role in ("user", "item"):
        name = options[role]
        named = by_option(columns, name, f"--{role}-column", where) if name else None
        choice = (
            named
            or by_name(_free(columns, chosen), role)
            or by_ids(_free(columns, chosen), catalogue_ids[role], f"{{n}} of its values are ids of the {role}s' file")
        )
        if choice:
            chosen[role] = choice
    for role, other in (("user", "item"), ("item", "user")):
        if role not in chosen:
            chosen[role] = _left_over(columns, chosen, role, other, where)
    return chosen["user"], chosen["item"]


def choose_time(columns: Sequence[RawColumn], option: str | None, where: str) -> Choice | None:
    """The column of the time: by option, by name, else the first whose values are times; None where none is.

    Args:
        columns: to choose from.
        option: the column that the user named, or None.
        where: the file, for the error.

    Raises:
        InputError: the named column holds no times.
    """
    if option:
        choice = by_option(columns, option, "--time-column", where)
        if choice.column.time is None:
            raise InputError(
                "the column of the time holds no times",
                where=f"{where}, column {option}",
                expected="seconds, milliseconds or microseconds since 1970, ISO times, or dates like 2025/03/14",
                found=", ".join(str(value) for value in choice.column.values[:3]) or "no values",
                hint="name another column, or leave --time-column out and write rated_at into the settings file",
            )
        return choice
    timed = [column for column in columns if column.time is not None]
    return by_name(timed, "time") or (Choice(timed[0], "its values are times") if timed else None)


def choose_rating(columns: Sequence[RawColumn]) -> Choice | None:
    """The column of an explicit rating: by its name, else a few steps on a scale up to 10; None where none is.

    Args:
        columns: to choose from.
    """
    numeric = [column for column in columns if column.kind in ("integer", "number") and column.n_distinct > 2]
    named = by_name(numeric, "rating")
    if named and named.column.n_distinct <= 10 * MAX_SCALE:
        return named
    counts = by_name(numeric, "weight")
    others = [column for column in numeric if counts is None or column is not counts.column]
    # of several numbers without a telling name any may be the rating
    if len(others) != 1 or not _is_scale(others[0]):
        return None
    low, high = min(others[0].numbers), max(others[0].numbers)
    return Choice(others[0], f"{others[0].n_distinct} steps from {low:g} to {high:g}")


def choose_weight(columns: Sequence[RawColumn]) -> Choice | None:
    """The column of a count of plays; None where none is.

    Args:
        columns: to choose from.
    """
    return by_name([c for c in columns if c.kind in ("integer", "number") and min(c.numbers) >= 0], "weight")


def choose_like(columns: Sequence[RawColumn]) -> Choice | None:
    """The column of a like that is yes or no; None where none is.

    Args:
        columns: to choose from.
    """
    two = [c for c in columns if c.n_distinct <= 2 and (c.kind == "boolean" or set(c.texts) <= {"0", "1"})]
    return by_name(two, "like") or by_name(two, "rating")


def _is_scale(column: RawColumn) -> bool:
    low, high = min(column.numbers), max(column.numbers)
    return (
        column.n_distinct <= MAX_SCALE and low >= 0 and 3 <= high <= 10 and all(n * 2 % 1 == 0 for n in column.numbers)
    )


def _free(columns: Sequence[RawColumn], chosen: Mapping[str, Choice]) -> list[RawColumn]:
    taken = {choice.column.name for choice in chosen.values()}
    return [column for column in columns if column.name not in taken]


def by_ids(columns: Sequence[RawColumn], ids: Collection[str], reason: str) -> Choice | None:
    """The column whose values are ids of the other file: half of them at least, and of several columns the most.

    Args:
        columns: of one file.
        ids: values of the other file.
        reason: for the comment, with `{n}` for the number of these values.
    """
    ranked = []
    for column in columns:
        n_common = sum(value in ids for value in column.texts)
        share = n_common / max(1, min(column.n_distinct, len(ids)))
        ranked.append((round(share, 1), n_common, column))
    share, n_common, best = max(ranked, key=lambda rank: rank[:2], default=(0.0, 0, None))
    return Choice(best, reason.format(n=f"{n_common:,}")) if best and share >= 0.5 else None


def _left_over(columns: Sequence[RawColumn], chosen: Mapping[str, Choice], role: str, other: str, where: str) -> Choice:
    candidates = [c for c in _free(columns, chosen) if c.kind in ("integer", "string") and c.repeats]
    candidates = [c for c in candidates if c.time is None and not (c.kind == "integer" and _is_scale(c))]
    unnamed = all(re.fullmatch(r"column_\d+", column.name) for column in columns)
    if candidates and (len(candidates) == 1 or unnamed) and (other in chosen or unnamed):
        return Choice(candidates[0], f"the {'first' if unnamed else 'only'} remaining column of repeated ids")
    raise needed(columns, role, f"--{role}-column", where)


def _names(columns: Sequence[RawColumn]) -> str:
    return ", ".join(column.name for column in columns)
