"""Publishing: a plan as pages to open and files to load.

stored_plan   what the warehouse holds of a plan, prices the prices that it was made with
schedule      the schedule as a file: it is there before the first page is drawn
site          the pages of a workspace: start_page what stands on the first of them
pages         the pages of a plan: fleet_page what stands on the first, battery_page on a car's, why on its
              reasons, twin_section on its engineer's part
rows_by       rows by car, and kept: a car's page of which nothing differs is not made again
drawing       a chart as inline SVG; day_charts, twin_charts: those of a day and of a twin
templates     the pages' HTML and style; everything that comes from data is escaped

Pages load nothing and hold no script but one, which sorts and searches their tables: they open offline, from
a mail or a share, and are whole without it.
"""

from pathlib import Path

from flows.publish.pages import write_pages
from flows.publish.schedule import write_schedule
from flows.publish.stored_plan import stored_plan
from flows.workspace import Workspace
from warehouse.at_once import at_once

__all__ = ["publish_run"]


def publish_run(workspace: Workspace, plan_id: str, *, in_force: bool = True) -> list[Path]:
    """Write the schedule and the pages of a plan; returns the pages, the index first, then the schedule."""
    with at_once(workspace.warehouse):
        plan = stored_plan(workspace, plan_id)
    schedule = write_schedule(workspace, plan, in_force=in_force)
    return [*write_pages(workspace, plan, in_force=in_force), schedule]
