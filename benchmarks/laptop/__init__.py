"""Whether the laptop profile stays within 8 GB.

* ``memory.py``    the most memory that a command and all its processes held together
* ``__main__.py``  every stage and the trainer, measured; a table
"""
