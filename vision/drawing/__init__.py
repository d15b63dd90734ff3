"""What is drawn for people to look at: the same colours, the same letters and the same care for space everywhere.

* ``palette.py``  a colour for each class, for those who see fewer colours, too
* ``text.py``     letters: their size from the image's, names of any script, shortened to a width
* ``boxes.py``    boxes with names on an image, names that do not hide each other
* ``sheet.py``    images side by side with captions
"""
