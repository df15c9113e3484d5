"""Settings of what leaves: published tables to the stores that serve them, metrics and settings to those who watch."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from bgmrec.config.base import AtLeastOne, Name, Seconds, Section, Unit

PLAIN_SECRET = "plain_secret"  # the type of error whose input is never shown
# password = value of libpq's words, or the part of an address between the user and @
_PASSWORD = re.compile(r"password\s*=\s*(?!\$\{\w+\}(?:\s|$|&))\S|://[^/@:]*:(?!\$\{\w+\}@)[^/]*@", re.IGNORECASE)


def _without_password(address: str | None) -> str | None:
    if address is not None and _PASSWORD.search(address):
        raise PydanticCustomError(PLAIN_SECRET, "${NAME} of an environment variable in place of the password")
    return address


# names of properties and options that hold secrets, as in s3.secret-access-key, token and AZURE_STORAGE_ACCOUNT_KEY
_SECRET_NAME = re.compile(r"secret|token|password|credential|account[-_.]?key|sas[-_.]?key", re.IGNORECASE)


def _without_secrets(options: dict[str, str]) -> dict[str, str]:
    for name, value in options.items():
        _without_password(value)
        if _SECRET_NAME.search(name) and not re.search(r"\$\{\w+\}", value):
            raise PydanticCustomError(
                PLAIN_SECRET, f"${{NAME}} of an environment variable in place of the value of {name}"
            )
    return options


Options = Annotated[dict[str, str], AfterValidator(_without_secrets)]
Address = Annotated[str | None, AfterValidator(_without_password)]
Connections = Annotated[AtLeastOne, Unit("connections")]


class PostgresSettings(Section):
    """`[export.postgres]`: jobs/export_postgres.py copies the newest version into PostgreSQL; views show it."""

    address: Address = None
    """Connection string of libpq, for example `"host=db dbname=serving user=bgmrec password=${PGPASSWORD}"`, or a URL.
    `${NAME}` is taken from the environment; a password in plain text is refused. Needed for the export."""

    into: Name = "bgmrec"
    """Schema of the tables and views; it is created if it is missing."""

    grant_to: list[Name] = []
    """Roles that get SELECT on the views."""

    connections: Connections = 4
    """Connections that copy at the same time."""

    lock_seconds: Seconds = 30.0
    """How long the switch of the views waits for running queries; new queries wait meanwhile. After that nothing is
    switched, and the job fails."""


class RedisSettings(Section):
    """`[export.redis]`: jobs/export_redis.py writes a key per user and item, and a pointer to the newest version."""

    address: Address = None
    """URL of the server, for example `"redis://:${REDIS_PASSWORD}@host:6379/0"`. `${NAME}` is taken from the
    environment; a password in plain text is refused. Needed for the export."""

    prefix: Name = "bgmrec"
    """Beginning of every key."""

    connections: Connections = 4
    """Connections that write at the same time."""

    expire_seconds: Annotated[AtLeastOne, Unit("seconds")] = 3600
    """Keys of older versions expire so long after the switch. Longer than any reader keeps the pointer."""


class ExportSettings(Section):
    """Stores that serve the published tables."""

    postgres: PostgresSettings = PostgresSettings()
    redis: RedisSettings = RedisSettings()


class MonitorSettings(Section):
    """`[monitor]`: where a run reports its metrics, besides the file summaries/<run_id>.prom."""

    gateway: Address = None
    """URL of a Prometheus push gateway, for example `"http://gateway:9091"`. If it does not answer, the run continues.
    Not set: no push."""

    job: str = "bgmrec"
    """Label `job` of the pushed metrics. Two installations on one gateway need different labels."""


class MlflowSettings(Section):
    """`[mlflow]`: a published run is logged to an MLflow tracking server: settings that decide the result, metrics by
    round, the report, and the location of the model. If that fails, the run stays published, with a warning in the log
    and in the summary. Needs the extra `mlflow`."""

    tracking_uri: Address = None
    """Address of the server, for example `"https://mlflow.example"`, or of a database, `"sqlite:////data/mlflow.db"`.
    `${NAME}` is taken from the environment, and so are mlflow's own MLFLOW_TRACKING_USERNAME, MLFLOW_TRACKING_PASSWORD
    and MLFLOW_TRACKING_TOKEN; a password in plain text is refused. Not set: nothing is logged."""

    experiment: str = "bgmrec"
    """Name of the experiment; it is created if it is missing."""

    artifacts: str | None = None
    """Where a new experiment keeps files, for example `"s3://bucket/mlflow"`. Not set: where the server keeps them;
    with a database in `tracking_uri` that is `mlruns` in the working folder."""
