"""``Sample`` → ``Sample`` of the network's size. Random draws and pixel work are separate.

* ``geometry.py``  ``View``: which window of an image is shown, mirrored or not, in which colours; boxes follow
* ``colour.py``    brightness, contrast, saturation and hue as one 3×4 matrix
* ``draw.py``      the random steps: crop, zoom-out, flip, colour, each a pure function of its random numbers, over a batch
* ``resize.py``    to the network's size, deterministic: bilinear, or what detectNet does on the device
* ``augment.py``   pixels through ``View``s
* ``window.py``    a window of an image at another size, fast
* ``presets.py``   ``ssd``, ``light``, ``none``: lists of named steps, drawn from (seed, epoch, index)

The steps only change the ``View``; pixels are touched once at the end, whatever the number of steps.
"""
