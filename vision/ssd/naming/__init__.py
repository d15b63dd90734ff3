"""What is said of a name that is no net's.

* ``answers.py``  the name that was probably meant, or why there is no such net
"""
