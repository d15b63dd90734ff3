"""What all commands of the pipeline share. Imports no stage.

* ``options.py``         the options, and which stages take them
* ``own_file.py``        a stage on one file of the user's
* ``run_stage.py``       signals, exit codes; a single stage as a command
* ``next_step.py``       the command that is printed when a run ends
* ``sinks.py``           results on stdout, another stream or /dev/null
* ``working_folder.py``  the hidden folder beside an output while it is being made
"""
