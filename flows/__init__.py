"""The room that knows them all: settings, command line, stages, Prefect flows, publishing.

cli, commands/   `v2g` and its commands            console, problem  how answers and errors look
settings         v2g.toml and V2G_… variables      workspace         the one folder, and its environment
stages/          the daily run as plain functions  daily, artifacts  the same as Prefect flows
runner, outcome  `v2g run`, and what came of it    serve, schedules  `v2g serve` and when it runs what
prefect_api      whether Prefect's server is there
publish/         pages and exports                 demo              a synthetic fleet with a hidden truth
status           what a workspace holds            version, clock    what code, what time
"""
