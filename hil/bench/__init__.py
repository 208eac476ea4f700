"""Benchmarks: ``python -m hil.bench``. Each figure beside its baseline, in the same process tree and minute."""
