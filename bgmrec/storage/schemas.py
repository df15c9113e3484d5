"""The schema of every table, with a comment per column; tables are cast to it when they are written and read."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import types as t

from bgmrec.config.sources import EntityField
from bgmrec.errors import InputError
from bgmrec.storage import columns as c


def _field(name: str, kind: t.DataType, comment: str, nullable: bool = False) -> t.StructField:
    return t.StructField(name, kind, nullable, {"comment": comment})


_USER_ID = _field(c.USER_ID, t.StringType(), "external user id")
_ITEM_ID = _field(c.ITEM_ID, t.StringType(), "external music id")
_USER_IDX = _field(c.USER_IDX, t.IntegerType(), "dense user index from 0")
_ITEM_IDX = _field(c.ITEM_IDX, t.IntegerType(), "dense music index from 0")
_RATING = _field(c.RATING, t.FloatType(), "a rating, or the preference 0..1 in implicit mode")
_WEIGHT = _field(c.WEIGHT, t.FloatType(), "weight of the squared error, or the confidence in implicit mode")
_RATED_AT = _field(
    c.RATED_AT, t.TimestampType(), "time of the rating in UTC; null if the source has no times", nullable=True
)
_IDX = _field(c.IDX, t.IntegerType(), "dense index of the entity")
_FEATURES = _field(c.FEATURES, t.BinaryType(), "float32 (width,)")
_TOKENS = _field(c.TOKENS, t.BinaryType(), "int32 (length,): token ids from 1; 0 is padding")
_BLOCK = _field(c.BLOCK, t.IntegerType(), "idx modulo the number of blocks")
_N_ROWS = _field(c.N_ROWS, t.IntegerType(), "entities in the block")
_DS = _field(c.DS, t.StringType(), "logical date YYYY-MM-DD; the partition")
_RUN_ID = _field(c.RUN_ID, t.StringType(), "the run that wrote the row")
_POSITION = _field(c.POSITION, t.IntegerType(), "position in the list, from 1")
_SCORE = _field(c.SCORE, t.FloatType(), "the model's score: a predicted rating, or a preference in implicit mode")
_SOURCE = _field(c.SOURCE, t.StringType(), "warm, cold (from the encoder's prior mean) or popular")

RATINGS = t.StructType([_USER_ID, _ITEM_ID, _RATING, _WEIGHT, _RATED_AT])
REJECTS = t.StructType(
    [
        _field(c.SOURCE, t.StringType(), "name of the source in the settings"),
        _field(c.SOURCE_FILE, t.StringType(), "file of the row"),
        _field(c.REASON, t.StringType(), "why the row was rejected"),
        _field(c.RECORD, t.StringType(), "the raw row as JSON"),
    ]
)
USER_INDEX = t.StructType([_USER_ID, _USER_IDX])
ITEM_INDEX = t.StructType([_ITEM_ID, _ITEM_IDX])
RATINGS_SPLIT = t.StructType(
    [_USER_IDX, _ITEM_IDX, _RATING, _WEIGHT, _RATED_AT, _field(c.PART, t.StringType(), "train, valid or test")]
)
ENTITY_FEATURES = t.StructType([_IDX, _FEATURES])
ITEM_TOKENS = t.StructType([_IDX, _TOKENS])
_RATED_IDX = _field(c.RATED_IDX, t.BinaryType(), "int32 (ratings,): item indices of the training ratings, rising")
_RATED_VALUES = _field(c.RATED_VALUES, t.BinaryType(), "float32 (ratings,): the centred ratings of those items")
_LOSS_WEIGHT = _field(c.WEIGHT, t.FloatType(), "weight of the entity in its encoder's latent loss; 0 when cold")
_TARGET = _field(c.TARGET, t.BinaryType(), "float32 (width,): the running factor row")
USER_INPUTS = t.StructType([_IDX, _FEATURES, _RATED_IDX, _RATED_VALUES, _LOSS_WEIGHT])
ITEM_INPUTS = t.StructType([_IDX, _FEATURES, _TOKENS, _LOSS_WEIGHT])
USER_FEED = t.StructType([*USER_INPUTS.fields, _TARGET])
ITEM_FEED = t.StructType([*ITEM_INPUTS.fields, _TARGET])
FACTOR_BLOCKS = t.StructType([_BLOCK, _N_ROWS, _field(c.FACTORS, t.BinaryType(), "float32 (n_rows, width)")])
HALF_STEP = t.StructType(
    [
        *FACTOR_BLOCKS.fields,
        _field("squared_error", t.DoubleType(), "the block's share of the weighted squared error"),
        _field("penalty", t.DoubleType(), "the block's share of the penalty for distance from the prior means"),
    ]
)
DRAWN_BLOCKS = t.StructType(
    [
        _BLOCK,
        _N_ROWS,
        _field(c.FACTORS, t.BinaryType(), "float32 (n_rows, width + 1): a draw of the factors, then the noise weight"),
        _field("sums", t.BinaryType(), "float64: sums over the blocks of a task, in its last row; else empty"),
    ]
)
RATING_BLOCKS = t.StructType(
    [
        _BLOCK,
        _N_ROWS,
        _field("row_offsets", t.BinaryType(), "int64 (n_rows + 1,): where each row's ratings begin"),
        _field("src_ids", t.BinaryType(), "int32: the distinct source indices of the block, rising"),
        _field("src_pos", t.BinaryType(), "int32 (ratings,): position in src_ids"),
        _field("ratings", t.BinaryType(), "float32 (ratings,)"),
        _field("weights", t.BinaryType(), "float32 (ratings,), or empty where all are 1"),
    ]
)
LINK_BLOCKS = t.StructType(
    [*RATING_BLOCKS.fields, _field(c.FEATURES, t.BinaryType(), "float32 (n_rows, columns): features of the rows")]
)
TOP_N = t.StructType([_USER_IDX, _POSITION, _ITEM_IDX, _SCORE, _SOURCE])
SIMILAR = t.StructType(
    [_ITEM_IDX, _POSITION, _field(c.SIMILAR_ITEM_IDX, t.IntegerType(), "dense index of the similar music"), _SCORE]
)
_PUBLISHED_SCORE = _field(
    c.SCORE,
    t.FloatType(),
    "the model's score: a predicted rating, or a preference in implicit mode; popularity where source is popular",
)
_PUBLISHED_SOURCE = _field(
    c.SOURCE,
    t.StringType(),
    "warm: from the user's ratings; cold: from side information; popular: nothing is known of the user",
)
RECOMMENDATIONS = t.StructType([_DS, _USER_ID, _POSITION, _ITEM_ID, _PUBLISHED_SCORE, _PUBLISHED_SOURCE, _RUN_ID])
_KIND = _field(c.KIND, t.StringType(), "rating, other ratings, prior (side information), item (mean and bias) or rest")
_PART_NUMBER = _field(
    c.PART_NUMBER,
    t.IntegerType(),
    "number of the part at its position, from 1: the ratings that add most come first",
)
_SCORE_PART = _field(c.SCORE_PART, t.FloatType(), "what it adds to the score: the parts of a position sum to its score")
REASONS = t.StructType(
    [
        _USER_IDX,
        _POSITION,
        _ITEM_IDX,
        _PART_NUMBER,
        _KIND,
        _field(c.REASON_ITEM_IDX, t.IntegerType(), "the rated music where kind is rating", nullable=True),
        _SCORE_PART,
    ]
)
RECOMMENDATION_REASONS = t.StructType(
    [
        _DS,
        _USER_ID,
        _POSITION,
        _ITEM_ID,
        _PART_NUMBER,
        _KIND,
        _field(c.REASON_ITEM_ID, t.StringType(), "external id of the rated music where kind is rating", nullable=True),
        _SCORE_PART,
        _RUN_ID,
    ]
)
SIMILAR_ITEMS = t.StructType(
    [
        _DS,
        _ITEM_ID,
        _POSITION,
        _field(c.SIMILAR_ITEM_ID, t.StringType(), "external id of the similar music"),
        _field(c.SCORE, t.FloatType(), "cosine of the factors"),
        _RUN_ID,
    ]
)

TABLES = {
    "ratings": RATINGS,
    "rating_rejects": REJECTS,
    "user_rejects": REJECTS,
    "item_rejects": REJECTS,
    "user_index": USER_INDEX,
    "item_index": ITEM_INDEX,
    "ratings_split": RATINGS_SPLIT,
    "user_features": ENTITY_FEATURES,
    "item_features": ENTITY_FEATURES,
    "item_tokens": ITEM_TOKENS,
    "user_inputs": USER_INPUTS,
    "item_inputs": ITEM_INPUTS,
    "user_feed": USER_FEED,
    "item_feed": ITEM_FEED,
    "user_rating_blocks": RATING_BLOCKS,
    "item_rating_blocks": RATING_BLOCKS,
    "encoder_rating_blocks": RATING_BLOCKS,
    "seen_rating_blocks": RATING_BLOCKS,
    "valid_rating_blocks": RATING_BLOCKS,
    "test_rating_blocks": RATING_BLOCKS,
    "user_half_step": HALF_STEP,
    "item_half_step": HALF_STEP,
    "user_draw": DRAWN_BLOCKS,
    "item_draw": DRAWN_BLOCKS,
    "user_linked_blocks": LINK_BLOCKS,
    "item_linked_blocks": LINK_BLOCKS,
    "user_factors": FACTOR_BLOCKS,
    "item_factors": FACTOR_BLOCKS,
    "user_prior": FACTOR_BLOCKS,
    "item_prior": FACTOR_BLOCKS,
    "top_n": TOP_N,
    "similar": SIMILAR,
    "reasons": REASONS,
    "recommendations": RECOMMENDATIONS,
    "recommendation_reasons": RECOMMENDATION_REASONS,
    "similar_items": SIMILAR_ITEMS,
}

_ENTITY_TYPES: dict[str, t.DataType] = {
    "string": t.StringType(),
    "text": t.StringType(),
    "integer": t.LongType(),
    "number": t.DoubleType(),
    "boolean": t.BooleanType(),
    "timestamp": t.TimestampType(),
    "list": t.ArrayType(t.StringType()),
    "vector": t.ArrayType(t.FloatType()),
}


def entity_schema(id_column: str, fields: list[EntityField]) -> t.StructType:
    """The schema of `users` or `items`.

    Args:
        id_column: `user_id` or `item_id`.
        fields: of `[users]` or `[items]`.
    """
    id_field = _USER_ID if id_column == c.USER_ID else _ITEM_ID
    return t.StructType([id_field, *(_field(f.name, _ENTITY_TYPES[f.type], f.description, True) for f in fields)])


def conform(df: DataFrame, schema: t.StructType, name: str) -> DataFrame:
    """Selects the columns of a schema in their order, cast to their types.

    Args:
        df: the rows.
        schema: that they shall have.
        name: of the table, for the error.

    Raises:
        InputError: a column is missing.
    """
    missing = [field.name for field in schema if field.name not in df.columns]
    if missing:
        raise InputError(
            f"table {name} lacks columns {missing}",
            where=name,
            expected=", ".join(schema.names),
            found=", ".join(df.columns),
            hint="run the job of the stage that writes this table again with this version of bgmrec",
        )
    if [(field.name, field.dataType) for field in df.schema] == [(field.name, field.dataType) for field in schema]:
        return df  # a select of all columns takes 50 ms of calls to Java, and a round opens dozens of tables
    return df.select(
        [df[field.name].cast(field.dataType).alias(field.name, metadata=field.metadata) for field in schema]
    )
