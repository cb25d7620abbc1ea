"""The gateway: a central system of OCPP for a depot, between a plan's files and its chargers.

- `config`: who may connect, which token is which car · `authorize`: who may charge
- `link`: calls and answers over one websocket
- `plans`: the plan's files, and its own copies · `wanted`: the profiles that a station is to have
- `stations`: one connected station, kept to them · `meters`: what it is to meter, and how often
- `follow`: what was asked for next to what is metered · `following`: the same by quarter-hour, with what it
  cost
- `guard`: limits of sites, kept when cars do not follow · `way`: one direction of it · `feeder`: who first
- `signals`, `signal_folder`, `signal_rows`: limits that the grid puts on sites for a while
- `catch_up`: what those who were held back make up
- `journal`: what stations said, before it is answered · `readings`, `book`, `metering`: what it adds up to
- `outbox`: rows for the inbox, each once · `alerts`, `status`, `status_file`: what is reported
- `server`: all of it
"""

STATE_FOLDER = "gateway"
"""Of a workspace: what the gateway keeps."""
PLANS = "plans"
"""In it: its own copies of plans."""
ASKED_FILE = "replan.json"
"""In it: when it last asked for a new plan, and why."""
