"""What all commands of the pipeline share. Imports no stage.

* ``run_stage.py``       options, signals, exit codes; a single stage as a command
* ``next_step.py``       the command that is printed when a run ends
* ``working_folder.py``  the hidden folder beside one file of the user's that is being made
"""
