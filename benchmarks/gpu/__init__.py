"""``benchmarks/gpu.sh``: the whole trainer by each way of computing and of feeding, with data that it makes itself.

* ``__main__.py``  data, runs in turn until the time is up, the table      * ``worker.py``  one run, measured from inside
"""
