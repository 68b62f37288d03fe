"""For pytest runs from this folder: the tests of this project drive whole pytest runs of their own.

It must load without the test extra, since `pytest --model=demo` from a checkout loads it too.
"""

pytest_plugins = ["pytester"]
collect_ignore = ["benchmarks"]
