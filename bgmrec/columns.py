"""Column names, in one place: external ids, dense indices, what was observed and what the model gives."""

USER_ID = "user_id"
ITEM_ID = "item_id"
USER_IDX = "user_idx"
ITEM_IDX = "item_idx"

RATING = "rating"
WEIGHT = "weight"
RATED_AT = "rated_at"
PART = "part"

SOURCE = "source"
SOURCE_FILE = "source_file"
REASON = "reason"
RECORD = "record"

IDX = "idx"
FEATURES = "features"
TOKENS = "tokens"
RATED_IDX = "rated_idx"
RATED_VALUES = "rated_values"
TARGET = "target"

BLOCK = "block"
N_ROWS = "n_rows"
FACTORS = "factors"

DS = "ds"
RUN_ID = "run_id"
POSITION = "position"
SCORE = "score"
SIMILAR_ITEM_ID = "similar_item_id"
SIMILAR_ITEM_IDX = "similar_item_idx"
REASON_ITEM_ID = "reason_item_id"
REASON_ITEM_IDX = "reason_item_idx"

TRAIN = "train"
VALID = "valid"
TEST = "test"

WARM = "warm"
COLD = "cold"
POPULAR = "popular"
