"""``python -m tools.models``: all nets, or one net layer by layer.

* ``__main__.py``   the command
* ``catalogue.py``  the table of all nets, as text, JSON and the Markdown of ``docs/nets.md``
* ``one_net.py``    layers, maps and prior boxes of one net
* ``fields.py``     how much of the image each layer sees
* ``timing.py``     milliseconds per image on this machine
"""
