"""What a run is told: every option with its default, unit and meaning, once. No torch.

* ``data.py``  ``model.py``  ``optimisation.py``  ``run.py``  ``machine.py``  the options, by group
* ``config.py``        all of them as one record, and how it is read        * ``option.py``  a dataclass as command line, YAML and JSON
* ``combinations.py``  options that exclude or need each other
"""
