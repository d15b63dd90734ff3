"""What the data are, what the net learns, where it fails: images for TensorBoard and for ``report/`` of the run folder.

* ``panels.py``       when which panel is drawn, and where it goes; a failure is a warning
* ``scene.py``        an image as it is shown: as the net sees it, of one size, with its objects
* ``inputs.py``       a training batch, the steps of the augmentation, one image under eight draws
* ``priors.py``       the priors of each map on an image, and how many objects they cover
* ``matches.py``      which priors each object got, by map
* ``predictions.py``  truth and predictions side by side; the best class of each cell, by map
* ``pr_curves.py``    precision over recall of each class, as TensorBoard takes it
* ``tile_grid.py``    an image a row, a map a column

Panels draw no random number and leave the model as it was: a run with them is to the bit the one without.
"""
