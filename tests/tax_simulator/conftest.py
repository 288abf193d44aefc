"""Every test here starts without settings of the caller."""

from tests.support.no_settings import no_settings

__all__ = ["no_settings"]
