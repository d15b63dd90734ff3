"""``python -m tools.models``: what nets there are, and one of them layer by layer.

* ``__main__.py``   the command
* ``catalogue.py``  the table of all nets, as text, JSON and the Markdown of ``docs/nets.md``
* ``one_net.py``    layers, maps and prior boxes of one net
* ``fields.py``     how much of the image each layer sees
* ``timing.py``     milliseconds an image on this machine
"""
