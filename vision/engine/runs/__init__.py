"""A run across its sessions.

* ``resume.py``         new run or resume, and its arguments; what may differ, what is refused
* ``plan.py``           what is decided before a session starts
* ``initial.py``        weights that a new run starts from
* ``metric_logger.py``  ``metrics.jsonl`` and TensorBoard, every step once
* ``metrics_csv.py``     the epochs of ``metrics.jsonl`` as a table; ``run_card.py``  what TensorBoard shows beside curves
* ``truncate_logs.py``  truncates logs to the resumed checkpoint; moves later rows aside
* ``lock.py``           one trainer per run folder    * ``disk.py``  checks disk space for checkpoints first
"""
