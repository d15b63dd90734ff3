"""Whether the laptop profile stays within 8 GB.

* ``memory.py``    the peak memory of a command and all its processes together
* ``__main__.py``  every stage and the trainer, measured; a table
"""
