"""Faults: something is killed, cut, frozen, full or lied to, and the row tells the truth again.

Each test is one fault, and its figure says what the row said meanwhile and how soon after the end
of the fault it was right. `make test` runs short forms, `make faults` the long ones (`--long`).
"""
