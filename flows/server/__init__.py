"""Prefect's server as this project runs it: closed to strangers, and gone when its owner is.

process   start it as a child, wait, stop it            app       what runs in that child
of_run    the one that watches `v2g run`
guard     whose requests it listens to                  password  made at every start, kept in a file
pages     the reports next to Prefect's own pages       opening   the reports alone, for `v2g open`
runner    the deployments served, one run at a time     flow_run  what runs in the child of such a run
allowed   what a deployment and its run may carry       held      which process of a workspace is still there
"""
