"""The pages of one plan: an index for the run and one page a battery."""

from __future__ import annotations

from pathlib import Path

from flows.filenames import file_stem, passport_name
from flows.folders import whole_folder
from flows.mapping.standing import standing_of
from flows.publish.battery_page import BatteryPages
from flows.publish.fleet_page import fleet_page
from flows.publish.html import environment_of, shell
from flows.publish.kept import sealed, take_kept
from flows.publish.owner_page import take_along
from flows.publish.site import navigation
from flows.publish.stored_plan import StoredPlan
from flows.workspace import Workspace
from warehouse.files import make_folder, write_whole

_SOURCES = {
    "published": "",
    "substituted": "Degraded plan: no published prices, or not of the whole day. Where there are none, those "
    "of days before were used, and nothing is fed back to the grid there, unless `feed_in_on_forecast` lets "
    "cars be discharged.",
    "last_plan": "Degraded plan: nothing could be reckoned for this day. The cars do what the last good plan "
    "had them do, as far as their charge and today's limits let them; others charge on plug-in.",
    "charge_only": "Degraded plan: no prices at all. Cars are charged on plug-in; money is counted "
    "as if energy were free.",
}
_NOT_IN_FORCE = "Not in force: another plan for this day rests on later knowledge."


def write_pages(workspace: Workspace, plan: StoredPlan, *, in_force: bool) -> list[Path]:
    """Write the pages of a plan under reports/DATE/; the index comes first.

    index.html and batteries/, one page a car under the name that `file_stem` gives it. The folder appears
    whole, in place of the pages of an earlier plan for the same date, or not at all; owners' pages of the
    same plan are kept, and so are those of cars of which nothing differs (`flows.publish.kept`). Those of a
    plan that is not in force replace none: they lie under reports/plans/ID/.
    """
    folder = workspace.reports / (
        str(plan.header["market_date"]) if in_force else f"plans/{plan.header['plan_id']}"
    )
    environment = environment_of(workspace.money)
    standing = standing_of(workspace, plan.header)
    source, up = _SOURCES[str(plan.header["plan_source"])], "../" if in_force else "../../"
    common = {
        **{key: value for key, value in shell(workspace, environment).items() if key != "navigation"},
        "warnings": [*([source] if source else []), *([] if in_force else [_NOT_IN_FORCE]), *standing.notes],
        "plan": plan.header,
    }
    with whole_folder(folder) as fresh:
        run_page = environment.get_template("run.html").render(
            **common,
            navigation=navigation(up=up),
            **fleet_page(plan, workspace.money),
            unforeseen=standing.unforeseen,
        )
        files = [write_whole(fresh / "index.html", run_page)]
        make_folder(fresh / "batteries")
        page, pages = environment.get_template("battery.html"), BatteryPages.of_plan(plan, workspace.money)
        common |= {
            "navigation": navigation(up=f"{up}../"),
            "plan": {"market_date": plan.header["market_date"]},
        }
        beside = repr(common)
        followed = plan.cars[plan.cars["mode"] == plan.followed]
        for car in zip(
            followed["battery_id"].astype(str), followed["calibration_id"].astype(str), strict=True
        ):
            name = f"batteries/{file_stem(car[0])}.html"
            passport = workspace.exports / "twins" / passport_name(car[0])
            href = f"{up}../../exports/twins/{passport.name}" if passport.is_file() else ""
            own = {"passport": href}
            key = pages.key_of(*car, f"{beside} {own}")
            if not take_kept(folder / name, fresh / name, key):
                write_whole(fresh / name, sealed(page.render(**common, **own, **pages.of(*car)), key))
            files.append(fresh / name)
        take_along(folder, fresh, str(plan.header["plan_id"]))
    return [folder / file.relative_to(fresh) for file in files]
