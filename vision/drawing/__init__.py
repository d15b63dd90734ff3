"""Drawings for people: the same colours, letters and layout everywhere.

* ``palette.py``  a colour for each class, also for colour-blind readers
* ``text.py``     text: size relative to the image, any script, shortened to a width
* ``boxes.py``    boxes with names on an image, names that do not hide each other
* ``sheet.py``    images side by side with captions
"""
