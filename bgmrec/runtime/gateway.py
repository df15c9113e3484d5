"""Sends a run's OpenMetrics text to a push gateway; a gateway that does not answer never fails a night."""

from __future__ import annotations

from urllib.parse import quote
from urllib.request import Request, urlopen

from bgmrec.runtime.logs import logger
from bgmrec.runtime.secrets import filled, redacted

SECONDS = 10.0  # a gateway answers at once, or not today


def push(text: bytes, address: str, job: str) -> bool:
    """Replaces what the gateway holds of the job; returns whether it took the text.

    Args:
        text: OpenMetrics, gauges only: the older text format reads it too.
        address: of the gateway; `${NAME}` is taken from the environment.
        job: the label under which it keeps the samples.

    Raises:
        SettingsError: the environment lacks a name of the address.
    """
    url, secrets = filled(address, "monitor.gateway")
    request = Request(
        f"{url.rstrip('/')}/metrics/job/{quote(job, safe='')}",
        data=text,
        method="PUT",
        headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
    )
    try:
        with urlopen(request, timeout=SECONDS):
            return True
    except OSError as error:
        logger.warning("the push gateway did not take the metrics: %s", redacted(str(error), secrets))
        return False
