"""
The numbers that the program promises, each measured against a reference in the same run.

Each number is a function ``name(*, quick: bool) -> Result``; :data:`benchmarks.suite.BENCHMARKS` lists them.
"""
