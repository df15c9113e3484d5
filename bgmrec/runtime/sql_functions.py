"""SQL functions for expressions of the settings, in addition to those of Spark."""

from __future__ import annotations

import os

import pandas as pd
from pandas.api.types import is_object_dtype, is_string_dtype
from pyspark.sql import SparkSession
from pyspark.sql.functions import pandas_udf

from bgmrec.errors import SettingsError
from bgmrec.runtime.pseudonyms import KEY_VARIABLE, pseudonymizer

PSEUDONYM = "pseudonym"


def register_functions(spark: SparkSession) -> None:
    """Registers `pseudonym(user_id)`: the keyed hash that the crawl stores instead of a user's id.

    It is a Python function, because in an expression of Spark's sha2 the key would appear in plans, in the event log
    and in the Spark UI; here it is part of the pickled function. A missing key is an error only where the function is
    called. The pseudonym of a blank id is null.

    Args:
        spark: the session.
    """
    key = os.environ.get(KEY_VARIABLE)

    def pseudonym(user_ids: pd.Series) -> pd.Series:
        keyed_hash = pseudonymizer(key)
        # whole numbers with nulls arrive as floats, whose text is another id
        if not is_object_dtype(user_ids) and not is_string_dtype(user_ids):
            raise SettingsError(
                f"{PSEUDONYM}() takes text",
                where="expressions of [ratings], [users] and [items]",
                expected="a string",
                found=f"a column of type {user_ids.dtype}",
                hint=f"write {PSEUDONYM}(cast(column as string))",
            )
        return user_ids.map(lambda text: keyed_hash(text) if text.strip() else None, na_action="ignore")

    spark.udf.register(PSEUDONYM, pandas_udf(pseudonym, "string"))  # type: ignore[call-overload]
