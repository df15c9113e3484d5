"""Settings that exclude each other: each function refuses one impossible combination."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bgmrec.config.base import Conflict
from bgmrec.config.keys import key_text
from bgmrec.config.metrics import CATALOGUE, RANKING, RATING, metric_key
from bgmrec.config.references import ENCODER, FILES, did_you_mean, values_at

if TYPE_CHECKING:
    from bgmrec.config.settings import Settings
    from bgmrec.config.sources import Files

# columns that bgmrec adds to the tables of users and items; SQL does not tell upper from lower case
OWN_COLUMNS = {"users": ("user_id", "user_idx", "idx"), "items": ("item_id", "item_idx", "idx")}
_ARRAYS, _NUMBERS = ("list", "vector"), ("integer", "number")  # types of fields
# options of Spark's readers, whose names have no case, that bgmrec sets → what to do instead
_OWN_OPTIONS = {
    "header": "name the columns of files without a header line in `columns`",
    "mode": "remove it: broken records are rejected",
    "columnnameofcorruptrecord": "remove it: broken records are rejected",
    "recursivefilelookup": "set recursive = true instead",
    "basepath": "remove it: folders named key=value give columns",
}
_DAY = "{ds}"
_ICEBERG_CATALOGUES = ("sql", "rest", "hive")  # of pyiceberg


def check_combinations(settings: Settings) -> None:
    """Checks the settings against each function of this module.

    Args:
        settings: all of them; what they name exists.

    Raises:
        Conflict: settings exclude each other.
    """
    for check in _CHECKS:
        check(settings)


def _fields_are_not_bgmrecs_columns(settings: Settings) -> None:
    for side, columns in OWN_COLUMNS.items():
        for position, field in enumerate(getattr(settings, side).fields):
            if field.name.lower() in columns:
                raise Conflict(
                    f"{side}.fields.{position}.name",
                    expected=f"a name other than bgmrec's own columns {', '.join(columns)}, in upper or lower case",
                    found=field.name,
                    hint=f'rename the field, and state expression = "{field.name}" where the files call it so',
                )


def _features_fit_their_fields(settings: Settings) -> None:
    for side in ("user", "item"):
        types = {field.name: field.type for field in getattr(settings, f"{side}s").fields}
        for position, feature in enumerate(getattr(settings, f"{side}_features").features):
            is_array = types[feature.field] in _ARRAYS
            if feature.kind in ("multi_hot", "hashed") or is_array == (feature.kind == "vector"):
                continue
            raise Conflict(
                f"{side}_features.features.{position}.kind",
                f"{side}s.fields",
                expected="vector of a field of type vector; one_hot, number and log_number of a field with one value; "
                "multi_hot and hashed of any field",
                found=f"{feature.kind} of {feature.field}, a field of type {types[feature.field]}",
                hint="correct the kind of the feature, or the type of the field",
            )


def _bounds_are_of_numbers(settings: Settings) -> None:
    for side in OWN_COLUMNS:
        for position, field in enumerate(getattr(settings, side).fields):
            bounds = [name for name in ("minimum", "maximum") if getattr(field, name) is not None]
            if bounds and field.type not in _NUMBERS:
                raise Conflict(
                    *(f"{side}.fields.{position}.{name}" for name in (*bounds, "type")),
                    expected=f"{' and '.join(bounds)} only of the types {' and '.join(_NUMBERS)}",
                    found=f"{field.name} of type {field.type}",
                    hint="correct the type, or remove the bound",
                )


def _windows_have_days(settings: Settings) -> None:
    """A window of days is read only where a path has a place for the day."""
    for at, files in _files(settings):
        if files.lookback_days is not None and not any(_DAY in path for path in files.paths):
            raise Conflict(
                f"{at}.lookback_days",
                f"{at}.paths",
                expected=f"lookback_days only with {_DAY} in a path",
                found=f"lookback_days = {files.lookback_days}, paths = {', '.join(files.paths)}",
                hint=f"write {_DAY} where the paths have the date, or remove lookback_days",
            )


def _options_keep_broken_records(settings: Settings) -> None:
    for at, files in _files(settings):
        if wrong := [name for name in files.options if name.lower() in _OWN_OPTIONS]:
            raise Conflict(
                f"{at}.options",
                expected=f"options that bgmrec does not set itself ({', '.join(_OWN_OPTIONS)})",
                found=wrong[0],
                hint=_OWN_OPTIONS[wrong[0].lower()],
            )


def _files(settings: Settings) -> Iterator[tuple[str, Files]]:
    """All settings of files, each with its key."""
    for key in FILES:
        yield from ((key_text(path), files) for path, files in values_at(settings, key))


def _private_hosts_are_visited(settings: Settings) -> None:
    visited = tuple(f".{host.lower()}" for host in settings.crawl.hosts)
    for host in settings.crawl.private_hosts:
        if not f".{host.lower()}".endswith(visited):
            raise Conflict(
                "crawl.private_hosts",
                "crawl.hosts",
                expected=f"hosts of crawl.hosts and their subdomains: {', '.join(settings.crawl.hosts) or '(none)'}",
                found=host,
                hint=f"correct crawl.private_hosts, or add {host} to crawl.hosts",
            )


def _trend_raises_preferences(settings: Settings) -> None:
    """Explicit ratings do not depend on the demand."""
    if settings.trend.exponent and settings.factorize.mode != "implicit":
        raise Conflict(
            "trend.exponent",
            "factorize.mode",
            expected="trend.exponent above 0 only with factorize.mode = implicit",
            found=f"trend.exponent = {settings.trend.exponent:g}, factorize.mode = {settings.factorize.mode}",
            hint="set trend.exponent = 0, or factorize.mode = implicit",
        )


def _steps_need_unobserved_pairs(settings: Settings) -> None:
    """Conjugate gradients save time only where all rows share a part of their matrix."""
    model = settings.factorize
    if model.cg_steps and (model.mode != "implicit" or not model.unobserved_weight):
        raise Conflict(
            "factorize.cg_steps",
            "factorize.mode",
            "factorize.unobserved_weight",
            expected="cg_steps above 0 only with mode = implicit and unobserved_weight above 0",
            found=f"cg_steps = {model.cg_steps}, mode = {model.mode}, unobserved_weight = {model.unobserved_weight:g}",
            hint="set factorize.cg_steps = 0 to solve exactly",
        )


def _predicted_ratings_are_centred(settings: Settings) -> None:
    """Prior mean and item factors predict the rest of a rating, so that no whole rating may be an input."""
    encoder = settings.user_encoder
    if settings.factorize.mode == "explicit" and encoder.prediction_weight and not encoder.center_ratings:
        raise Conflict(
            "user_encoder.center_ratings",
            "user_encoder.prediction_weight",
            expected="prediction_weight = 0 where center_ratings = false",
            found=f"center_ratings = false, prediction_weight = {encoder.prediction_weight:g}",
            hint="set user_encoder.prediction_weight = 0, or center_ratings = true",
        )


def _preferences_are_ranked(settings: Settings) -> None:
    """In implicit mode scores are no ratings, so that their error says nothing."""
    if settings.train.metric == "rmse" and settings.factorize.mode == "implicit":
        raise Conflict(
            "train.metric",
            "factorize.mode",
            expected="train.metric = ndcg where factorize.mode = implicit",
            found="train.metric = rmse, factorize.mode = implicit",
            hint="remove train.metric: the mode chooses it",
        )


def _draws_need_ratings(settings: Settings) -> None:
    model, draws = settings.factorize, settings.bayes.draws
    if draws and (model.mode != "explicit" or not model.bias):
        raise Conflict(
            "bayes.draws",
            "factorize.mode",
            "factorize.bias",
            expected="bayes.draws above 0 only with factorize.mode = explicit and factorize.bias = true",
            found=f"draws = {draws}, mode = {model.mode}, bias = {str(model.bias).lower()}",
            hint="set bayes.draws = 0, or change [factorize]",
        )


def _reasons_have_an_equation(settings: Settings) -> None:
    """A mean over draws has no equation that splits its scores into parts."""
    if settings.bayes.draws and "recommendation_reasons" in settings.publish.tables:
        raise Conflict(
            "publish.tables",
            "bayes.draws",
            expected="recommendation_reasons only with bayes.draws = 0",
            found=f"recommendation_reasons, and bayes.draws = {settings.bayes.draws}",
            hint="remove recommendation_reasons from publish.tables, or set bayes.draws = 0",
        )


def _prior_means_have_encoders(settings: Settings) -> None:
    """The encoder's prior means are columns only where there is an encoder."""
    for side in ("user", "item"):
        groups, kind = getattr(settings.bayes, f"{side}_groups"), getattr(settings, f"{side}_encoder").kind
        if kind == "none" and any(ENCODER in group for group in groups):
            raise Conflict(
                f"bayes.{side}_groups",
                f"{side}_encoder.kind",
                expected=f"{ENCODER} only where {side}_encoder.kind is not none",
                found=f"{ENCODER}, and {side}_encoder.kind = none",
                hint=f"remove {ENCODER} from bayes.{side}_groups, or choose an encoder",
            )


def _gate_compares_an_evaluated_metric(settings: Settings) -> None:
    mode, gate, ks = settings.factorize.mode, settings.publish.gate, settings.evaluate.ks
    ranked = [metric_key(metric, k) for k in ks for metric in (*RANKING, *CATALOGUE)]
    if gate.metric is not None and gate.metric not in (evaluated := [*(RATING if mode == "explicit" else ()), *ranked]):
        raise Conflict(
            "publish.gate.metric",
            "evaluate.ks",
            "factorize.mode",
            expected=f"one of: {', '.join(evaluated)}",
            found=f"publish.gate.metric = {gate.metric}, evaluate.ks = {ks}, factorize.mode = {mode}",
            hint=did_you_mean(gate.metric, evaluated) + "For another cut-off add it to evaluate.ks",
        )


def _a_lock_in_postgres_has_an_address(settings: Settings) -> None:
    runtime = settings.runtime
    if (runtime.lock == "postgres") != (runtime.lock_address is not None):
        raise Conflict(
            "runtime.lock",
            "runtime.lock_address",
            expected="an address where runtime.lock = postgres, and none otherwise",
            found=f"runtime.lock = {runtime.lock}, and {'no' if runtime.lock_address is None else 'an'} address",
            hint="set runtime.lock_address, with ${NAME} for the password; or remove it, or change runtime.lock",
        )


def _a_table_format_is_the_only_catalogue(settings: Settings) -> None:
    """A Delta or Iceberg table has a list of its dates; a second one, in Spark's catalogue, could contradict it."""
    publish = settings.publish
    if publish.format != "parquet" and publish.catalog != "none":
        raise Conflict(
            "publish.catalog",
            "publish.format",
            expected="publish.catalog = none where publish.format is delta or iceberg",
            found=f"publish.catalog = {publish.catalog}, publish.format = {publish.format}",
            hint='set publish.catalog = "none": '
            + ("[publish.iceberg] names the catalogue" if publish.format == "iceberg" else "Delta needs no catalogue"),
        )


def _modes_are_of_parquet(settings: Settings) -> None:
    """The libraries of the other formats write files of their own with the permissions of the file system."""
    publish = settings.publish
    if publish.format != "parquet" and publish.mode is not None:
        raise Conflict(
            "publish.mode",
            "publish.format",
            expected="publish.mode only where publish.format = parquet",
            found=f"publish.mode = {publish.mode}, publish.format = {publish.format}",
            hint="remove publish.mode, and set the umask of the job or the permissions of the folder",
        )


def _iceberg_has_a_catalogue(settings: Settings) -> None:
    publish = settings.publish
    catalogue = publish.iceberg.catalog
    if publish.format == "iceberg" and not (catalogue.get("type") in _ICEBERG_CATALOGUES and catalogue.get("uri")):
        raise Conflict(
            "publish.iceberg.catalog",
            "publish.format",
            expected=f"type ({', '.join(_ICEBERG_CATALOGUES)}) and uri of a catalogue where publish.format = iceberg",
            found=f"type = {catalogue.get('type', 'nothing')}, uri {'given' if catalogue.get('uri') else 'missing'}",
            hint='for example publish.iceberg.catalog = {type = "sql", uri = "sqlite:////data/lake/catalog.db"}',
        )


_CHECKS = (
    _fields_are_not_bgmrecs_columns,
    _features_fit_their_fields,
    _bounds_are_of_numbers,
    _windows_have_days,
    _options_keep_broken_records,
    _private_hosts_are_visited,
    _trend_raises_preferences,
    _steps_need_unobserved_pairs,
    _predicted_ratings_are_centred,
    _preferences_are_ranked,
    _draws_need_ratings,
    _reasons_have_an_equation,
    _prior_means_have_encoders,
    _gate_compares_an_evaluated_metric,
    _a_lock_in_postgres_has_an_address,
    _a_table_format_is_the_only_catalogue,
    _modes_are_of_parquet,
    _iceberg_has_a_catalogue,
)
