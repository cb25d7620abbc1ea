"""The commands of `v2g`, by what they are for.

options   --workspace, --json, --as-of: accepted before and after a command's name
data      init, ingest …, check
quarantine list, show, release
planning  calibrate, plan, run, report, status
backtest  backtest
money     bill, settle
ledger    key, show, export, verify
service   demo, serve, open, warmup
warehouse trace, snapshot, backup, restore, retention, export, migrate
Engines are imported inside the commands: `v2g --help` pays for none of them.
"""
