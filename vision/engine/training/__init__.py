"""The loop and its surroundings.

* ``loop.py``        epochs and steps in textbook order      * ``step.py``     forward, loss, backward, update
* ``start.py``       the state of a new or resumed run     * ``session.py``  what a session works with
* ``validation.py``  loss and mAP after an epoch             * ``not_finite.py``  NaN and infinity: skip or stop
* ``memory.py``      what to do after out of memory
* ``console.py``     the progress line                       * ``report.py``   the first and last lines of a session
"""
