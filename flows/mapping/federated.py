"""Ageing statistics of sites as signed notes, and the prior of their batteries: a file of the workspace.

A note's text is the form's name and one line of JSON (`twin.federated.sums_text`), signed with the key of the
site's ledger. The file of a prior is JSON: {"format": 1, "sites": [{"key": …, "note": …}]}; each note is held
to its key whenever the file is read, and a site's own is left out where it calibrates: its batteries teach
each other directly.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flows.errors import SettingsError
from flows.workspace import Workspace
from twin.errors import FederationError
from twin.federated import AgeingSums, federated_prior, merged, sums_of_text, sums_text
from twin.prior import AgeingPrior
from warehouse.errors import LedgerError
from warehouse.ledger.note import SignerKey, VerifierKey, opened

_KIND = "v2g-planner/ageing-statistics/1"
_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What a site told: its key, the signed note, the sums in it."""

    key: VerifierKey
    note: str
    sums: tuple[AgeingSums, ...]


def signed_sums(sums: Sequence[AgeingSums], key: SignerKey) -> str:
    """The note of a site."""
    return key.sign(f"{_KIND}\n{sums_text(sums)}\n")


def site_of(note: str, key: VerifierKey, what: str) -> Site:
    """Read a note; raises LedgerError where its signature does not hold, FederationError for no sums."""
    lines = opened(note, key, what=what).split("\n")
    if len(lines) != 3 or lines[0] != _KIND:
        raise FederationError(f"{what} holds no ageing statistics of this form")
    return Site(key=key, note=note, sums=sums_of_text(lines[1]))


def prior_text(sites: Sequence[Site]) -> str:
    """The file of a prior; raises FederationError for a site that is there twice."""
    names = [one.key.name for one in sites]
    if twice := sorted({one for one in names if names.count(one) > 1}):
        raise FederationError(f"{twice[0]} is there twice: its batteries would count twice")
    said = [{"key": one.key.text, "note": one.note} for one in sites]
    return json.dumps({"format": _FORMAT, "sites": said}, indent=2) + "\n"


def sites_of_text(text: str, what: str) -> list[Site]:
    """Read such a file; raises LedgerError, FederationError."""
    try:
        said = json.loads(text)
        if said["format"] != _FORMAT:
            raise FederationError(f"{what} is of format {said['format']!r}, not {_FORMAT}")
        stated = [(VerifierKey.parse(one["key"]), str(one["note"])) for one in said["sites"]]
    except (ValueError, KeyError, TypeError) as error:
        raise FederationError(f"{what} is no prior of other sites: {error}") from error
    sites = [site_of(note, key, f"{what}, {key.name}") for key, note in stated]
    prior_text(sites)
    return sites


def priors_by_chemistry(sites: Sequence[Site]) -> dict[str, AgeingPrior]:
    """The prior of each chemistry that a site told of, named by its sites and a digest of their notes."""
    found = {}
    for chemistry in sorted({one.chemistry for site in sites for one in site.sums}):
        told = [site for site in sites if any(one.chemistry == chemistry for one in site.sums)]
        sums = merged([one for site in told for one in site.sums if one.chemistry == chemistry])
        digest = hashlib.sha256("".join(sorted(site.note for site in told)).encode()).hexdigest()[:12]
        names = ", ".join(sorted(site.key.name for site in told))
        found[chemistry] = federated_prior(sums, f"{max(sums.batteries)} batteries of {names} ({digest})")
    return found


def bases_of(workspace: Workspace, own: str | None) -> Mapping[str, AgeingPrior]:
    """The priors of `[calibrate] prior`, by chemistry, but what the site `own` told; {} without such a file.

    Raises SettingsError for a file that cannot be read or does not hold.
    """
    name = workspace.settings.calibrate.prior
    if not name:
        return {}
    try:
        sites = sites_of_text((workspace.root / Path(name)).read_text(encoding="utf-8"), name)
    except (OSError, UnicodeDecodeError, LedgerError, FederationError) as error:
        raise SettingsError(f"[calibrate] prior = {name!r}: {error}") from error
    return priors_by_chemistry([one for one in sites if one.key.name != own])
