"""What the server benchmarks load and are loaded with: servers in processes of their own, and cheap clients.

`served` is what runs in a server's process, with `source`, the one generator behind every contestant; `servers` starts
and ends it and asks it for its CPU time; `clients` reads what it sends; `contest` turns the samples into figures.
They need Linux, for its /proc and its epoll.
"""
