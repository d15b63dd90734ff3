from vision.artefacts import supported_python as supported_python
