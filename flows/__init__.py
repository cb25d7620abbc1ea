"""The room that knows them all: settings, command line, stages, Prefect flows, publishing.

cli, commands/   `v2g` and its commands            console, problem  how answers and errors look
settings         v2g.toml and V2G_… variables      workspace         the one folder, and its environment
stages/          the daily run as plain functions  daily, artifacts  the same as Prefect flows
mapping/         tables → questions → rows         context, workers  what a stage is given; twin processes
runner, outcome  `v2g run`, and what came of it    serve, schedules  `v2g serve` and when it runs what
server/          Prefect's server, guarded         prefect_api      whether a named one is there
lifeline         children end with their parent
publish/         pages and exports                 demo              a synthetic fleet with a hidden truth
tables           tables for a terminal or a pipe   markdown          text from data in Prefect's pages
owners           whose cars are whose              erasure/          files without an owner's cars
folders          a folder that changes as a whole  filenames         ids as names of files
status           what a workspace holds            version, clock    what code, what time
"""
