"""Settings: TOML files checked by pydantic before Spark starts."""

from bgmrec.config.load import load_settings
from bgmrec.config.settings import Settings

__all__ = ["Settings", "load_settings"]
