"""Functions that the settings' SQL expressions may call besides Spark's own."""

from __future__ import annotations

import os

import pandas as pd
from pyspark.sql import SparkSession
from pyspark.sql.functions import pandas_udf

from bgmrec.runtime.pseudonyms import KEY_VARIABLE, pseudonymizer

PSEUDONYM = "pseudonym"


def register_functions(spark: SparkSession) -> None:
    """Registers `pseudonym(user_id)`: the keyed hash that the crawl stores in place of a user's id.

    A function of Python and no expression of Spark's own sha2, because the key would stand in every plan, in the
    event log and in the Spark UI. It travels inside the pickled function. A missing key is an error where the
    function is called, and only there.
    """
    key = os.environ.get(KEY_VARIABLE)

    def pseudonym(user_ids: pd.Series) -> pd.Series:
        hashed = pseudonymizer(key)
        return user_ids.map(hashed, na_action="ignore")

    spark.udf.register(PSEUDONYM, pandas_udf(pseudonym, "string"))  # type: ignore[call-overload]
