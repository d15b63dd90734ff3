"""Whether the peak that the trainer's banner predicts is the one that it has.

* ``__main__.py``   short runs of nets of several families, each in a process of its own; a table
"""
