"""What the operator decides: frozen models, and where each value came from."""

from emosieve.settings.loading import Loaded, load
from emosieve.settings.models import Settings

__all__ = ["Loaded", "Settings", "load"]
