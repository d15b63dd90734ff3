"""The error for an unknown net name.

* ``answers.py``  the name that was probably meant, or why no such net exists
"""
