"""COCO JSON of any size as a strict stream. A library: imports no stage.

* ``reader.py``          one image or annotation at a time; errors name file, line and key
* ``scan.py``            where values begin and end in the bytes of a file
* ``json_scan.py``, ``json_structure.py``   where strings end; where brackets and commas are
* ``json_strict.py``     one JSON value by orjson, and the rules that it leaves open
* ``rules.py``           what is kept, clipped or dropped, and why
"""
