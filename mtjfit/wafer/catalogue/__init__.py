"""The catalogue: reduced devices in one SQLite file that survives a kill, with queries and exports."""

from __future__ import annotations

from mtjfit.wafer.catalogue.catalogue import Catalogue, open_catalogue
from mtjfit.wafer.catalogue.queries import refuse_export
from mtjfit.wafer.catalogue.schema import Configuration, Source

__all__ = ["Catalogue", "Configuration", "Source", "open_catalogue", "refuse_export"]
