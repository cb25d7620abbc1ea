"""What was erased, and what was released about the fleet under differential privacy."""

from warehouse.contracts.outputs import LINEAGE
from warehouse.contracts.types import Column, Kind, TableContract, choice, integer, moment, number, text

FIGURES = ("import_kwh", "export_kwh", "v2g_kwh", "plugged_hours", "yearly_loss")
STATISTICS = ("sum", "mean")

PRIVACY = (
    TableContract(
        name="out_erasure",
        description="One row an erasure at an owner's wish; it tells neither owner nor car.",
        columns=(
            text("erasure_id", "Drawn by lot"),
            moment("begun_utc", "When it was begun"),
            moment("ended_utc", "When nothing was left"),
            integer("batteries", "Cars", 0),
            integer("erased_rows", "Rows that were deleted", 0),
            integer("ledger_entries", "Entries of the ledger that nobody can open any more", 0),
            integer("files", "Files and folders that were rewritten or removed", 0),
            *LINEAGE,
        ),
        key=("erasure_id",),
    ),
    TableContract(
        name="out_private_release",
        description="One row a question about the fleet that was answered under differential privacy: the "
        "answer with its noise, and what it cost of the year's budget. Written together, and asked once.",
        columns=(
            text("question", "Hash of zone, figure, statistic, month, bounds and ε: the same has one answer"),
            text("zone", "Bidding zone"),
            integer("year", "Year of the month, whose budget it is of", 1),
            Column(name="month", kind=Kind.DATE, description="First day of the month"),
            choice("figure", "What is added up of each owner", FIGURES),
            choice("statistic", "Over owners", STATISTICS),
            number("least", "", "Of an owner; what is less counts as this, in the figure's unit"),
            number("most", "", "Of an owner; what is more counts as this"),
            integer("owners", "How many there are; it is not hidden", 1),
            number("epsilon", "", "ε of this answer; an owner may have had any other value", minimum=0),
            number("budget", "", "ε of the year, as it was set then", minimum=0),
            number("scale", "", "Scale of the Laplace noise, in the figure's unit", minimum=0),
            number("error_95", "", "With 95 % the noise is no larger, in the figure's unit", minimum=0),
            number("value", "", "The answer, in the figure's unit"),
            *LINEAGE,
        ),
        key=("question",),
    ),
)
