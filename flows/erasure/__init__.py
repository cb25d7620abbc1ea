"""An owner's cars taken out of a workspace: its warehouse, the copies of it, and every other file.

alone    nobody else at work meanwhile
journal  what is being erased, kept until it is done, so that a kill half-way is gone on from
texts    what is left of a text, JSON, TOML or table file that names them
files    every file of the workspace, one after the other
keyless  exports under pseudonyms that no key here explains, which are named
"""
