"""``--feed device``: what a step sees is made on the device, from raw records and a few numbers an image.

* ``places.py``    which record, window and colours: the draws of the image files as whole numbers
* ``sampling.py``  records and places → images, in one sampling step; the same bytes on every device
* ``records.py``   where the records are: all of them in the device's memory, or a ring that threads fill
* ``feed.py``      the loader of a run: places from the workers, images from the device, a batch ahead
"""
