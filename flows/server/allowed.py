"""What a deployment and its run may carry: a run is what this project served, or it is refused.

Whoever may write to Prefect's API can put another entrypoint, folder or pull step into a deployment, other
parameters into a run. Everything that a record holds is therefore either as it was served, or free because
nothing is ever done with it but show it, or empty.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from flows.errors import FlowsError

_RUN_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")

FREE_OF_DEPLOYMENT = frozenset(
    {
        *("id", "created", "updated", "created_by", "updated_by", "name", "description", "tags", "labels"),
        *("version", "version_id", "version_info", "branch", "base", "root", "flow_id"),
        *("paused", "schedules", "status", "last_polled"),
        *("concurrency_limit", "global_concurrency_limit", "concurrency_options"),
        *("parameter_openapi_schema", "enforce_parameter_schema"),
    }
)
FREE_OF_RUN = frozenset(
    {
        *("id", "created", "updated", "created_by", "name", "tags", "labels", "idempotency_key"),
        *("flow_id", "flow_version", "deployment_version", "empirical_policy", "run_count", "auto_scheduled"),
        *("state", "state_id", "state_type", "state_name"),
        *("expected_start_time", "next_scheduled_start_time", "start_time", "end_time"),
        *("total_run_time", "estimated_run_time", "estimated_start_time_delta"),
    }
)


class RefusedRunError(FlowsError):
    """A flow run, or its deployment, that carries what this project did not give it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A deployment as it was served: the flow's name in `flows.daily`, the workspace's absolute path."""

    flow: str
    workspace: str

    @property
    def entrypoint(self) -> str:
        """Where Prefect would look for the flow."""
        return f"flows.daily.{self.flow}"

    @property
    def parameters(self) -> Mapping[str, str]:
        """What every run is given."""
        return {"workspace": self.workspace}

    def check_deployment(self, record: Mapping[str, Any]) -> None:
        """Raises RefusedRunError that names each field of a deployment that is not as it was served."""
        served = {"entrypoint": self.entrypoint, "parameters": self.parameters}
        wrong = {name: value for name, value in served.items() if record.get(name) != value}
        _refuse("deployment", record, [*wrong, *_not_empty(record, FREE_OF_DEPLOYMENT | served.keys())])

    def check_run(self, record: Mapping[str, Any], deployment_id: object) -> None:
        """Raises RefusedRunError that names each field or parameter of a run that is not allowed."""
        known = FREE_OF_RUN | {"parameters", "deployment_id"}
        wrong = [] if record.get("deployment_id") == deployment_id else ["deployment_id"]
        _refuse("run", record, [*wrong, *_not_empty(record, known)])
        parameters = record.get("parameters") or {}
        if parameters.get("workspace") != self.workspace:
            raise RefusedRunError(
                f"refused: parameter workspace {parameters.get('workspace')!r} is not {self.workspace!r}, "
                "the one that is served"
            )
        for name, value in parameters.items():
            if name != "workspace" and not _may_be(name, value):
                raise RefusedRunError(f"refused: parameter {name} may not be {value!r}")


def _refuse(kind: str, record: Mapping[str, Any], wrong: list[str]) -> None:
    if wrong:
        text = ", ".join(f"{name} {record.get(name)!r}" for name in sorted(wrong))
        raise RefusedRunError(
            f"refused: the {kind} is not as it was served: {text}",
            hint="`v2g serve` registers its deployments anew when it starts.",
        )


def _not_empty(record: Mapping[str, Any], known: frozenset[str]) -> list[str]:
    return [name for name, value in record.items() if name not in known and value not in (None, {}, [], "")]


def _may_be(name: str, value: object) -> bool:
    if name not in _PARAMETERS:
        return False
    if value is None:
        return True
    try:
        return isinstance(value, str) and _PARAMETERS[name](value)
    except ValueError:
        return False


_PARAMETERS: Mapping[str, Callable[[str], bool]] = {
    "day": lambda text: bool(date.fromisoformat(text)),
    "as_of": lambda text: bool(datetime.fromisoformat(text)),
    "run_id": lambda text: bool(_RUN_ID.fullmatch(text)),  # it becomes part of file names
}
