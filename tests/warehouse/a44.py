"""Documents of type A44, piece by piece."""

from warehouse.sources.tariffs.eic import EIC

NAMESPACE = "urn:iec62325.351:tc57wg16:451-3:publicationdocument:7:3"


def period(start, end, resolution, points):
    text = "".join(
        f"<Point><position>{position}</position><price.amount>{price}</price.amount></Point>"
        for position, price in points.items()
    )
    bounds = f"<timeInterval><start>{start}</start><end>{end}</end></timeInterval>"
    return f"<Period>{bounds}<resolution>{resolution}</resolution>{text}</Period>"


def series(
    *periods, number=1, sequence=None, curve="A03", zone="DE-LU", currency="EUR", unit="MWH", kind="A01"
):
    name = "classificationSequence_AttributeInstanceComponent.position"
    numbered = "" if sequence is None else f"<{name}>{sequence}</{name}>"
    return (
        f"<TimeSeries><mRID>{number}</mRID><in_Domain.mRID>{EIC[zone]}</in_Domain.mRID>"
        f"<out_Domain.mRID>{EIC[zone]}</out_Domain.mRID>"
        f"<contract_MarketAgreement.type>{kind}</contract_MarketAgreement.type>{numbered}"
        f"<currency_Unit.name>{currency}</currency_Unit.name>"
        f"<price_Measure_Unit.name>{unit}</price_Measure_Unit.name>"
        f"<curveType>{curve}</curveType>{''.join(periods)}</TimeSeries>"
    )


def document(*parts, kind="A44"):
    root = "Publication_MarketDocument"
    return f'<?xml version="1.0"?><{root} xmlns="{NAMESPACE}"><type>{kind}</type>{"".join(parts)}</{root}>'
