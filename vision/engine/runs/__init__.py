"""A run over its sessions.

* ``resume.py``         fresh or resumed, and with which arguments; what may differ and what is refused
* ``plan.py``           what was decided before a session starts
* ``initial.py``        weights that a fresh run starts from
* ``metric_logger.py``  ``metrics.jsonl`` and TensorBoard, every step once
* ``metrics_csv.py``     the epochs of ``metrics.jsonl`` as a table; ``run_card.py``  what TensorBoard shows beside curves
* ``truncate_logs.py``  logs back to the checkpoint that is resumed; later rows are moved aside
* ``lock.py``           one trainer a run folder      * ``disk.py``  room for checkpoints, asked first
"""
