"""Bidding zone → EIC code, as the ENTSO-E Transparency Platform lists them (its guide, "Areas")."""

from collections.abc import Mapping
from types import MappingProxyType

EIC: Mapping[str, str] = MappingProxyType(
    {
        "AL": "10YAL-KESH-----5",
        "AT": "10YAT-APG------L",
        "BA": "10YBA-JPCC-----D",
        "BE": "10YBE----------2",
        "BG": "10YCA-BULGARIA-R",
        "CH": "10YCH-SWISSGRIDZ",
        "CZ": "10YCZ-CEPS-----N",
        "DE-AT-LU": "10Y1001A1001A63L",
        "DE-LU": "10Y1001A1001A82H",
        "DK1": "10YDK-1--------W",
        "DK2": "10YDK-2--------M",
        "EE": "10Y1001A1001A39I",
        "ES": "10YES-REE------0",
        "FI": "10YFI-1--------U",
        "FR": "10YFR-RTE------C",
        "GB": "10YGB----------A",
        "GR": "10YGR-HTSO-----Y",
        "HR": "10YHR-HEP------M",
        "HU": "10YHU-MAVIR----U",
        "IE-SEM": "10Y1001A1001A59C",
        "IT-CALABRIA": "10Y1001C--00096J",
        "IT-CNOR": "10Y1001A1001A70O",
        "IT-CSUD": "10Y1001A1001A71M",
        "IT-NORTH": "10Y1001A1001A73I",
        "IT-SARDINIA": "10Y1001A1001A74G",
        "IT-SICILY": "10Y1001A1001A75E",
        "IT-SUD": "10Y1001A1001A788",
        "LT": "10YLT-1001A0008Q",
        "LV": "10YLV-1001A00074",
        "MD": "10Y1001A1001A990",
        "ME": "10YCS-CG-TSO---S",
        "MK": "10YMK-MEPSO----8",
        "NL": "10YNL----------L",
        "NO1": "10YNO-1--------2",
        "NO2": "10YNO-2--------T",
        "NO3": "10YNO-3--------J",
        "NO4": "10YNO-4--------9",
        "NO5": "10Y1001A1001A48H",
        "PL": "10YPL-AREA-----S",
        "PT": "10YPT-REN------W",
        "RO": "10YRO-TEL------P",
        "RS": "10YCS-SERBIATSOV",
        "SE1": "10Y1001A1001A44P",
        "SE2": "10Y1001A1001A45N",
        "SE3": "10Y1001A1001A46L",
        "SE4": "10Y1001A1001A47J",
        "SI": "10YSI-ELES-----O",
        "SK": "10YSK-SEPS-----K",
        "UA": "10Y1001C--000182",
    }
)
"""Ukraine: the IPS area, which is the bidding zone since the synchronisation of 2022."""

ZONE_OF_EIC: Mapping[str, str] = MappingProxyType({code: zone for zone, code in EIC.items()})
