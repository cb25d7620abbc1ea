"""What is known of an owner's cars, taken out of a warehouse and its copies for good.

named     the identifiers that go, and how they are found and taken out of texts and JSON
rows      the rows of one database file, in one transaction; the ledger keeps its commitments
database  a whole file: its rows, then the file made anew, so that no freed block tells of them
again     what was erased, told without names, and taken out of a backup of before that is put back
"""
