"""The loss of a batch: location and class.

* ``matching.py``   which prior learns which box
* ``detection.py``  the loss of a batch: matching, offsets, one of the losses of classes below, and the division
* ``multibox.py``   cross-entropy over positives and the hardest negatives
* ``focal.py``      focal loss over all priors, by softmax or by sigmoids

A loss of classes is called with logits, targets and matches, and gives a sum over the batch.
"""
