"""The publishers whose files have a source of their own: name → how they are read and whose they are."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from warehouse.sources.parsed import Parsed
from warehouse.sources.rawfile import RawFile
from warehouse.sources.tariffs.published import (
    aemo,
    amber,
    caiso,
    comed,
    elering,
    elexon,
    elprisetjustnu,
    ercot,
    nyiso,
    omie,
    ote,
    pjm,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A way of reading one publisher's files, the options it takes, and what may be read so."""

    parse: Callable[[str, RawFile, Mapping[str, object]], Parsed]
    options: frozenset[str]
    provider: str
    licence: str
    datasets: tuple[str, ...] = ("prices",)


PUBLISHED: Mapping[str, Published] = MappingProxyType(
    {
        "aemo": Published(
            parse=aemo.parse_aemo, options=aemo.OPTIONS, provider=aemo.PROVIDER, licence=aemo.LICENCE
        ),
        "amber": Published(
            parse=amber.parse_amber, options=amber.OPTIONS, provider=amber.PROVIDER, licence=amber.LICENCE,
            datasets=("prices", "tariffs"),
        ),
        "caiso": Published(
            parse=caiso.parse_caiso, options=caiso.OPTIONS, provider=caiso.PROVIDER, licence=caiso.LICENCE
        ),
        "comed": Published(
            parse=comed.parse_comed, options=comed.OPTIONS, provider=comed.PROVIDER, licence=comed.LICENCE
        ),
        "elering": Published(
            parse=elering.parse_elering, options=elering.OPTIONS, provider=elering.PROVIDER,
            licence=elering.LICENCE,
        ),
        "elexon": Published(
            parse=elexon.parse_elexon, options=elexon.OPTIONS, provider=elexon.PROVIDER,
            licence=elexon.LICENCE,
        ),
        "elprisetjustnu": Published(
            parse=elprisetjustnu.parse_elprisetjustnu, options=elprisetjustnu.OPTIONS,
            provider=elprisetjustnu.PROVIDER, licence=elprisetjustnu.LICENCE,
        ),
        "ercot": Published(
            parse=ercot.parse_ercot, options=ercot.OPTIONS, provider=ercot.PROVIDER, licence=ercot.LICENCE
        ),
        "nyiso": Published(
            parse=nyiso.parse_nyiso, options=nyiso.OPTIONS, provider=nyiso.PROVIDER, licence=nyiso.LICENCE
        ),
        "omie": Published(
            parse=omie.parse_omie, options=omie.OPTIONS, provider=omie.PROVIDER, licence=omie.LICENCE
        ),
        "ote": Published(
            parse=ote.parse_ote, options=ote.OPTIONS, provider=ote.PROVIDER, licence=ote.LICENCE
        ),
        "pjm": Published(
            parse=pjm.parse_pjm, options=pjm.OPTIONS, provider=pjm.PROVIDER, licence=pjm.LICENCE
        ),
    }
)  # fmt: skip
