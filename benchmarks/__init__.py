"""How fast the toolkit is: the original's benchmark table, measured here in units that no machine's speed changes.

`rows` is what is measured, `original` what it is compared with; `runner` measures it, `report` writes it down, `table`
is the command and `test_rows` the same for pytest-benchmark; `server` is what the HTTP rows talk to.
"""
