"""How fast the toolkit is: suites that measure it, beside the original's figures and beside others, on any machine.

`python -m benchmarks` runs the suites (`suites` has their order; each is a module or package of its name), `report` and
`charts` write down what they give (`result`), and `compare` tells two versions of the package apart. `runner` measures
whatever needs no server, beside a unit that every machine has; `load` and `peers` are what the server suites share.
"""
