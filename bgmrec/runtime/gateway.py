"""Pushes a run's metrics to a Prometheus push gateway; a failed push never fails a run."""

from __future__ import annotations

from functools import partial
from urllib.parse import unquote, urlsplit, urlunsplit

from prometheus_client import CollectorRegistry, push_to_gateway
from prometheus_client.exposition import basic_auth_handler

from bgmrec.runtime.logs import logger
from bgmrec.runtime.secrets import filled, redacted

SECONDS = 10.0  # to wait for the gateway, which takes a push within milliseconds


def push(registry: CollectorRegistry, address: str, job: str) -> bool:
    """Replaces the metrics that the gateway keeps of the job; returns whether it took them.

    A failure is logged as an error and never raised: a published run stays published, a refused one keeps its status.

    Args:
        registry: the metrics.
        address: URL of the gateway, with user and password if it asks for them (basic authentication); `${NAME}` is
            replaced by that environment variable.
        job: the label under which the gateway keeps the metrics.
    """
    secrets: tuple[str, ...] = ()
    try:
        url, secrets = filled(address, "monitor.gateway")
        parts = urlsplit(url)
        user, _, host = parts.netloc.rpartition("@")
        name, _, password = map(unquote, user.partition(":"))
        handler = partial(basic_auth_handler, username=name or None, password=password)
        bare = urlunsplit(parts._replace(netloc=host))
        push_to_gateway(bare, job, registry, timeout=SECONDS, handler=handler)
        return True
    except Exception as error:  # whatever an address, a name server or a gateway may answer
        logger.error(
            "the push gateway did not take the metrics: %s\n  where: monitor.gateway\n  hint: %s",
            redacted(f"{type(error).__name__}: {error}", secrets),
            "check the address, its environment variables and the gateway; until the next push it shows the previous "
            "run; the metrics of this run are beside its summary (.prom)",
        )
        return False
