"""The one exception root. A class's docstring is its default message."""

from __future__ import annotations


class KizashiError(Exception):
    """Something went wrong in Kizashi."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())


class SettingsError(KizashiError):
    """A setting has a bad value."""


class SiteFileError(KizashiError):
    """The site file has mistakes."""


class StoreUnavailable(KizashiError):
    """The store cannot be reached."""


class LeaseLost(KizashiError):
    """Another process owns this work now."""


class NotFound(KizashiError):
    """There is no such thing."""
