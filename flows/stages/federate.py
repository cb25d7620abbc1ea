"""Tell other sites what this one's batteries teach of ageing, and merge what sites told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flows.context import Context
from flows.errors import UsageError
from flows.mapping.disputes import disputed_batteries
from flows.mapping.federated import Site, prior_text, priors_by_chemistry, signed_sums, site_of
from flows.mapping.siblings import lessons_by_chemistry
from flows.stages.ledger import signer_of
from flows.stages.record import StageResult
from twin.errors import FederationError
from twin.federated import AgeingSums, sums_of
from twin.prior import NAMES
from warehouse.files import write_whole
from warehouse.ledger.note import VerifierKey


def share(context: Context, file: Path) -> StageResult:
    """Write this site's sums, signed with its ledger's key; a chemistry of too few batteries is left out.

    Raises UsageError where no chemistry has enough, and without a key.
    """
    key = signer_of(context.workspace)
    told: list[AgeingSums] = []
    few: list[str] = []
    for chemistry, lessons in sorted(
        lessons_by_chemistry(context.known, disputed_batteries(context.known)).items()
    ):
        try:
            told.append(sums_of(chemistry, lessons))
        except FederationError as error:
            few.append(str(error))
    if not told:
        raise UsageError("; ".join(few) or "no battery is calibrated: there is nothing to tell")
    _require_free(file)
    write_whole(file, signed_sums(told, key))
    parts = [f"{', '.join(one.chemistry for one in told)}, signed by {key.verifier.text}", *few]
    return StageResult(
        stage="twin share",
        status="ok",
        message="; ".join(parts),
        files=(str(file),),
        details={"key": key.verifier.text, "chemistries": [one.chemistry for one in told]},
    )


def merge(files: Sequence[Path], keys: Sequence[str], out: Path) -> StageResult:
    """Merge the sums of sites into the file of a prior; every one is held to its signature first.

    keys: of the sites, as they were given. Raises UsageError for a file whose site has no key here, for one
    that holds no sums or too few batteries, LedgerError for one that was changed.
    """
    known = {one.name: one for one in (VerifierKey.parse(text) for text in keys)}
    try:
        sites = [_read(file, known) for file in files]
        text = prior_text(sites)
        priors = priors_by_chemistry(sites)
    except FederationError as error:
        raise UsageError(str(error)) from error
    _require_free(out)
    write_whole(out, text)
    rows = [
        {"chemistry": chemistry, "unknown": name, "mean": float(prior.mean[at]), "sd": float(prior.sd[at])}
        for chemistry, prior in priors.items()
        for at, name in enumerate(NAMES)
    ]
    names = ", ".join(site.key.name for site in sites)
    return StageResult(
        stage="twin merge",
        status="ok",
        message=f"prior of {names}; `[calibrate] prior` in v2g.toml has calibrations begin with it",
        tables={"prior": rows},
        files=(str(out),),
        details={"sites": [site.key.text for site in sites]},
    )


def _read(file: Path, keys: dict[str, VerifierKey]) -> Site:
    try:
        note = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from error
    signed_by = [
        line.split(" ")[1] for line in note.splitlines() if line.startswith("— ") and " " in line[2:]
    ]
    key = next((keys[name] for name in signed_by if name in keys), None)
    if key is None:
        raise UsageError(
            f"{file.name} is signed by {', '.join(signed_by) or 'nobody'}, whose --key was not given"
        )
    return site_of(note, key, file.name)


def _require_free(file: Path) -> None:
    if file.exists() or file.is_symlink():
        raise UsageError(f"{file} is there already")
